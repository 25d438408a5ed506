//! What is chosen where a stack file is read.

use supervisor_stack::Choices;

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Stack file")]
pub(crate) struct ChoiceArgs {
    /// The value of a variable that the file declares under `variables`; once for each. Without it the environment variable
    /// NAME counts, then the default in the file
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    values: Vec<(String, String)>,
    /// A profile of which the children are there, too; once for each
    #[arg(long = "profile", value_name = "NAME", env = "SUPERVISOR_PROFILES", value_delimiter = ',')]
    profiles: Vec<String>,
}

impl ChoiceArgs {
    pub(crate) fn choices(&self) -> Choices {
        let values = self.values.iter();
        let choices =
            values.fold(Choices::of_this_process(), |choices, (name, value)| choices.set(name, value));
        // A variable that is empty counts as unset.
        let profiles = self.profiles.iter().filter(|name| !name.is_empty());
        profiles.fold(choices, |choices, name| choices.profile(name))
    }
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
