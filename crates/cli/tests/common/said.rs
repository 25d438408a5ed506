//! What the binary said, and how it ended.

use std::process::Output;

use serde_json::Value;

/// How the binary ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// The only line, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{}{}", self.out, self.err);
        lines.into_iter().next().unwrap()
    }

    /// Every line, as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It ended well, and said this.
    #[track_caller]
    pub(crate) fn is(&self, text: &str) {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        assert_eq!(self.out.trim_end(), text.trim_matches('\n'), "\n{}\n{}", self.out, self.err);
    }

    /// It ended with this code, and said these words on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for words in words {
            assert!(self.err.contains(words), "{words:?} is not in: {}", self.err);
        }
    }
}
