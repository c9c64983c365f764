//! `{names}` in queries: what they stand for is a service, an environment, or one of a few words of the config, so that
//! nothing that anybody types gets into a query.

/// A text with its `{names}` filled in. What is in braces and no name stays: PromQL has braces of its own.
pub fn filled(text: &str, names: &[(String, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    // Once through, so that what is filled in is not looked at again.
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        filled.push_str(before);
        let named = names.iter().find_map(|(name, value)| {
            Some((value, after.strip_prefix('{')?.strip_prefix(name.as_str())?.strip_prefix('}')?))
        });
        rest = match named {
            Some((value, rest)) => {
                filled.push_str(value);
                rest
            }
            None => {
                filled.push('{');
                &after[1..]
            }
        };
    }
    filled + rest
}

/// Whether a text has this name in braces.
pub fn mentions(text: &str, name: &str) -> bool {
    text.contains(&format!("{{{name}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_filled_in_and_only_once() {
        let names = [("environment", "production"), ("service", "{environment}")];
        let names = names.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (text, expected) in [
            ("up{env=\"{environment}\"}", "up{env=\"production\"}"),
            ("{service} {{environment}}", "{environment} {production}"),
            ("{quantile} {", "{quantile} {"),
            ("", ""),
        ] {
            assert_eq!(filled(text, &names), expected);
        }
    }
}
