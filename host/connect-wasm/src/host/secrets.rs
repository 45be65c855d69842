//! What a plugin was given and nothing that it says may tell (Invariant 9).

use std::borrow::Cow;

/// Secrets, the longest first: one may be a part of another.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for secret in secrets {
            // Whoever shows a value may have cut the blanks around it.
            let bare = secret.trim();
            if !bare.is_empty() {
                if bare.len() < secret.len() {
                    all.push(bare.to_owned());
                }
                all.push(secret);
            }
        }
        all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self(all)
    }

    /// The text without secrets.
    pub(crate) fn hide<'a>(&self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let quoted = |text: &str, secret: &String| text.contains(secret.as_str());
        self.0
            .iter()
            .fold(text.into(), |text, secret| match quoted(&text, secret) {
                true => text.replace(secret.as_str(), "[hidden]").into(),
                false => text,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_whole() {
        let secrets = ["can", "canary\n", "", " ", "can"].map(str::to_owned);
        let secrets = Secrets::new(secrets);
        let told = secrets.hide("a canary, a can\nand canary\n.");
        assert_eq!(told, "a [hidden], a [hidden]\nand [hidden].");
        assert!(matches!(secrets.hide("nothing"), Cow::Borrowed("nothing")));
    }
}
