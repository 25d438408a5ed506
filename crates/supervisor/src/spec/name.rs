//! A name that is checked when the tree is.

use supervisor_api::{ChildId, Finding, IdError};

/// A name as it was given, good or not.
#[derive(Debug, Clone)]
pub(crate) struct Name(Result<ChildId, Box<(String, IdError)>>);

impl Name {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        Self(ChildId::new(text).map_err(|error| Box::new((text.to_owned(), error))))
    }

    /// The id, or what is wrong with it.
    pub(crate) fn check(&self, parent: &str) -> Result<ChildId, Finding> {
        self.0.clone().map_err(|error| Finding {
            path: parent.to_owned(),
            key: "name",
            message: error.1.to_string(),
            warning: false,
        })
    }

    /// The text, good or not.
    pub(crate) fn text(&self) -> &str {
        match &self.0 {
            Ok(id) => id.as_str(),
            Err(error) => &error.0,
        }
    }
}

impl From<ChildId> for Name {
    fn from(id: ChildId) -> Self {
        Self(Ok(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_is_a_finding_that_names_it() {
        let finding = Name::new("a b").check("/web").unwrap_err();
        assert_eq!((finding.path.as_str(), finding.key), ("/web", "name"));
        assert!(finding.message.contains("'a b'"), "{finding}");
        assert!(Name::new("ok").check("/").is_ok());
        assert_eq!(size_of::<Name>(), 16);
    }
}
