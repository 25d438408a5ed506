//! Users and groups by name, as this machine's own files have them.
//!
//! A name that only a directory service knows is not found here: asking one can take as long as its network likes, and a
//! file that means another user tomorrow is worse than a number.

use std::io::Read as _;

use supervisor_api::manifest::Account;

/// More than any such file has.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One of the two kinds of accounts.
#[derive(Debug, Clone, Copy)]
pub struct Book {
    file: &'static str,
    what: &'static str,
    /// The command that shows the number of one that is not in the file.
    ask: &'static str,
}

/// Those that `uid` names.
pub const USERS: Book = Book { file: "/etc/passwd", what: "user", ask: "getent passwd" };
/// Those that `gid` names.
pub const GROUPS: Book = Book { file: "/etc/group", what: "group", ask: "getent group" };

impl Book {
    /// The number of an account. The error is a sentence that quotes the name first.
    ///
    /// # Errors
    ///
    /// A name that is not in the file, or a file that cannot be read.
    pub fn number(self, account: &Account) -> Result<u32, String> {
        let name = match account {
            Account::Number(number) => return Ok(*number),
            Account::Name(name) => name,
        };
        let shown = name.escape_debug();
        let text = self.read().map_err(|error| {
            format!("'{shown}' cannot be looked up: {}: {error}; write the {}'s number", self.file, self.what)
        })?;
        find(&text, name).ok_or_else(|| {
            let Self { file, what, ask } = self;
            format!("'{shown}' is no {what} of {file}; write its number, which `{ask} {shown}` may know")
        })
    }

    /// The name of the account with this number, if it has one here.
    pub fn name(self, number: u32) -> Option<String> {
        named(&self.read().ok()?, number)
    }

    pub(crate) fn read(self) -> std::io::Result<String> {
        let mut bytes = Vec::new();
        std::fs::File::open(self.file)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        // A name that is no text is none that a file of ours can have.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The third field of the line whose first field is the name.
fn find(text: &str, name: &str) -> Option<u32> {
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| if fields.next()? == name { fields.nth(1)?.parse().ok() } else { None })
}

/// The first field of the line whose third field is the number.
fn named(text: &str, number: u32) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let is_its = |rest: &str| rest.split(':').nth(1).is_some_and(|field| field.parse() == Ok(number));
    lines.find(|(_, rest)| is_its(rest)).map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_third_field_of_the_line_that_begins_with_the_name() {
        let text = "# x:x:1\nroot:x:0:0:root:/root:/bin/sh\nann:x:1000:7::/:\nbad\nbob:x:no:\nbob:x:8:9\n";
        for (name, number) in [
            ("root", Some(0)),
            ("ann", Some(1000)),
            ("bob", Some(8)),
            ("an", None),
            ("", None),
            ("bad", None),
            ("x", None),
        ] {
            assert_eq!(find(text, name), number, "{name:?}");
        }
    }

    #[test]
    fn the_name_of_a_number_is_the_first_field_of_the_first_line_with_it() {
        let text = "ann:x:1000:7::/:\nbad\n:x:9:\nbob:x:8:9\nrob:x:8:9\n";
        let names = [1000, 8, 9, 7].map(|number| named(text, number));
        assert_eq!(names, [Some("ann".to_owned()), Some("bob".to_owned()), None, None]);
    }

    #[test]
    fn a_number_is_itself_and_root_is_known_by_name() {
        let name = |name: &str| Account::Name(name.to_owned());
        assert_eq!(USERS.number(&Account::Number(4_294_967_294)), Ok(4_294_967_294));
        assert_eq!((USERS.number(&name("root")), GROUPS.number(&name("root"))), (Ok(0), Ok(0)));
        let said = USERS.number(&name("no such\u{202e}")).unwrap_err();
        assert!(said.contains("is no user of /etc/passwd; write its number"), "{said}");
    }
}
