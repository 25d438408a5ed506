//! As whom a program runs: the user, its groups, and what follows from them.
//!
//! Everything is looked up before the fork, at each start: between fork and exec nothing can be read.

use std::ffi::OsString;

use rustix::process::{Gid, Uid};
use supervisor_api::manifest::Account;

use crate::accounts::{GROUPS, USERS};

/// The number that means "as it is" to the system. Nobody has it.
const NO_ID: u32 = u32::MAX;
/// What is said of one user and wrong for another.
const OF_A_USER: [&str; 5] = ["HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"];

/// As whom a program is to run, in the words of its spec.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    pub(crate) user: Option<Account>,
    pub(crate) group: Option<Account>,
    pub(crate) umask: Option<u32>,
    pub(crate) nice: Option<i8>,
}

/// The numbers of another user, or of another group alone, and every group that is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunsAs {
    pub(crate) user: Option<Uid>,
    pub(crate) group: Gid,
    pub(crate) groups: Vec<Gid>,
}

/// The variables of a user, in the place of the supervisor's; `None` when it stays the supervisor's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Variables(Option<Vec<(&'static str, String)>>);

impl Variables {
    /// Those of the supervisor, with what is said of a user said of this one.
    pub(crate) fn over(
        self,
        host: impl Iterator<Item = (OsString, OsString)>,
    ) -> impl Iterator<Item = (OsString, OsString)> {
        let changes = self.0.is_some();
        let of_a_user = move |name: &OsString| changes && OF_A_USER.iter().any(|word| name == word);
        let own = self.0.into_iter().flatten().map(|(name, value)| (name.into(), value.into()));
        host.filter(move |(name, _)| !of_a_user(name)).chain(own)
    }
}

/// A line of `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    name: &'a str,
    user: u32,
    group: u32,
    home: &'a str,
    shell: &'a str,
}

impl Identity {
    /// What is wrong with it, as far as it can be known without looking anything up.
    pub(crate) fn findings(&self) -> Vec<String> {
        let nobody = |account: &Option<Account>| *account == Some(Account::Number(NO_ID));
        let keys = [("user", nobody(&self.user)), ("group", nobody(&self.group))];
        let mut findings: Vec<_> = keys
            .iter()
            .filter(|(_, wrong)| *wrong)
            .map(|(key, _)| format!("{key}: {NO_ID} is nobody's number; write another"))
            .collect();
        if self.nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
            findings.push("nice: it goes from -20 to 19".to_owned());
        }
        findings
    }

    /// The numbers to run as, unless they are the supervisor's own, and the user's variables.
    ///
    /// # Errors
    ///
    /// The key, and a sentence: an account that is not known here.
    pub(crate) fn look_up(&self) -> Result<(Option<RunsAs>, Variables), (&'static str, String)> {
        if self.user.is_none() && self.group.is_none() {
            return Ok((None, Variables::default()));
        }
        let read = |book: crate::accounts::Book, key: &'static str| {
            book.read().map_err(|error| (key, format!("its accounts cannot be looked up: {error}")))
        };
        let users = if self.user.is_some() { read(USERS, "user")? } else { String::new() };
        let number = self.user.as_ref().map(|user| USERS.number(user).map_err(|why| ("user", why)));
        let number = number.transpose()?;
        let entry = number.and_then(|number| entry(&users, self.user.as_ref(), number));
        let group = match (&self.group, &entry, number) {
            (Some(group), _, _) => GROUPS.number(group).map_err(|why| ("group", why))?,
            (None, Some(entry), _) => entry.group,
            (None, None, number) => {
                let number = number.unwrap_or_default();
                let why =
                    format!("{number} is not in /etc/passwd, so its group is not known; say `group`, too");
                return Err(("user", why));
            }
        };
        if number == Some(NO_ID) || group == NO_ID {
            return Err(("user", format!("{NO_ID} is nobody's number; name another user")));
        }
        let mut groups = vec![group];
        if let Some(entry) = &entry {
            groups.extend(groups_of(&read(GROUPS, "group")?, entry.name));
        }
        groups.sort_unstable();
        groups.dedup();
        let variables = Variables(number.map(|_| entry.map(variables).unwrap_or(vec![("HOME", "/".into())])));
        let runs_as = RunsAs {
            user: number.map(Uid::from_raw),
            group: Gid::from_raw(group),
            groups: groups.into_iter().filter(|group| *group != NO_ID).map(Gid::from_raw).collect(),
        };
        Ok((Some(runs_as).filter(|runs_as| !runs_as.is_own()), variables))
    }
}

impl RunsAs {
    /// Whether this process runs so already, and has no right to anything else: its groups are that user's.
    fn is_own(&self) -> bool {
        use rustix::process::{getegid, geteuid, getgid, getuid};
        let user = self.user.is_none_or(|user| user == getuid() && user == geteuid());
        !geteuid().is_root() && user && self.group == getgid() && self.group == getegid()
    }

    /// The key that asked for it, and what to do when the system refuses it.
    pub(crate) fn refusal(&self) -> (&'static str, String) {
        let key = if self.user.is_some() { "user" } else { "group" };
        let what = self.user.map_or_else(|| self.group.to_string(), |user| user.to_string());
        let why = format!(
            "only root may start a program as another {key} (here {what}): start the supervisor as root, or remove `{key}`"
        );
        (key, why)
    }
}

/// The line of an account: by its name if it has one, otherwise the first with its number.
fn entry<'a>(text: &'a str, account: Option<&Account>, number: u32) -> Option<Entry<'a>> {
    text.lines().filter_map(read).find(|entry| match account {
        Some(Account::Name(name)) => entry.name == name,
        _ => entry.user == number,
    })
}

fn read(line: &str) -> Option<Entry<'_>> {
    let mut fields = line.split(':');
    let (name, _, user, group) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (home, shell) = (fields.nth(1)?, fields.next()?);
    Some(Entry { name, user: user.parse().ok()?, group: group.parse().ok()?, home, shell })
}

/// The groups that list the user among their members.
fn groups_of(text: &str, name: &str) -> Vec<u32> {
    let number = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let (number, members) = (fields.next()?, fields.next()?);
        members
            .split(',')
            .any(|member| !member.is_empty() && member == name)
            .then(|| number.parse().ok())
            .flatten()
    };
    text.lines().filter_map(number).collect()
}

fn variables(entry: Entry<'_>) -> Vec<(&'static str, String)> {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    vec![
        ("HOME", or(entry.home, "/")),
        ("USER", entry.name.to_owned()),
        ("LOGNAME", entry.name.to_owned()),
        ("SHELL", or(entry.shell, "/bin/sh")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "bad\nann:x:1000:7::/home/ann:/bin/zsh\ntoor:x:0:0::/:\nbob:x:1000:8:,,,:/srv:/bin/sh\nx:x:n:0::/:/\n";

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let name = |name: &str| Account::Name(name.to_owned());
        let found = |account: &Account, number| entry(PASSWD, Some(account), number).map(|entry| entry.name);
        assert_eq!(found(&name("bob"), 1000), Some("bob"));
        assert_eq!(found(&Account::Number(1000), 1000), Some("ann"));
        assert_eq!(found(&Account::Number(4), 4), None);
        let toor = entry(PASSWD, None, 0).unwrap();
        let expected = [("HOME", "/"), ("USER", "toor"), ("LOGNAME", "toor"), ("SHELL", "/bin/sh")]
            .map(|(a, b)| (a, b.to_owned()));
        assert_eq!(variables(toor), expected);
    }

    #[test]
    fn the_groups_of_a_user_are_those_that_list_it_whole() {
        let text = "root:x:0:\nadm:x:4:ann,bob\nanna:x:5:anna\nbad:x:n:ann\nz:x:9:bob,ann\n";
        assert_eq!(groups_of(text, "ann"), [4, 9]);
        assert_eq!(groups_of(text, "an"), [0; 0]);
        assert_eq!(groups_of("g:x:3:\n", ""), [0; 0]);
    }

    #[test]
    fn what_is_said_of_the_supervisors_user_is_not_said_of_another() {
        let host = || {
            [("HOME", "/root"), ("TMPDIR", "/root/tmp"), ("PATH", "/bin")].map(|(a, b)| (a.into(), b.into()))
        };
        let names = |variables: Variables| -> Vec<(OsString, OsString)> {
            variables.over(host().into_iter()).collect()
        };
        assert_eq!(names(Variables::default()), host());
        let own = Variables(Some(vec![("HOME", "/srv".to_owned())]));
        assert_eq!(names(own), [("PATH", "/bin"), ("HOME", "/srv")].map(|(a, b)| (a.into(), b.into())));
    }

    #[test]
    fn the_number_that_means_none_is_refused() {
        let identity = Identity { user: Some(Account::Number(NO_ID)), ..Identity::default() };
        assert_eq!(identity.findings(), ["user: 4294967295 is nobody's number; write another"]);
        let with_group = Identity { group: Some(Account::Number(0)), ..identity };
        assert_eq!(with_group.look_up().unwrap_err().0, "user");
    }

    #[test]
    fn a_number_without_an_entry_needs_a_group() {
        let alone = Identity { user: Some(Account::Number(3_999_999_999)), ..Identity::default() };
        assert!(alone.look_up().unwrap_err().1.contains("say `group`, too"));
        let (runs_as, variables) = Identity { group: Some(Account::Number(7)), ..alone }.look_up().unwrap();
        let runs_as = runs_as.unwrap();
        assert_eq!((runs_as.group.as_raw(), runs_as.groups), (7, vec![Gid::from_raw(7)]));
        assert_eq!(variables.0.unwrap(), [("HOME", "/".to_owned())]);
    }
}
