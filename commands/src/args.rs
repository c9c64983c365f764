//! The arguments of one invocation.

use crate::spec::CommandSpec;
use crate::value::Value;
use anyhow::Context;
use serde::de::DeserializeOwned;

/// Arguments by name, in the order in which the command's spec has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args(Vec<(&'static str, Value)>);

impl Args {
    /// The argument of this name, if it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets an argument of `command`, in place of what it was before. What is none of its arguments is left out.
    pub fn set(&mut self, command: &CommandSpec, name: &str, value: Value) {
        let place = |name: &str| command.args.iter().position(|arg| arg.name == name);
        let Some(at) = place(name) else { return };
        self.0.retain(|(known, _)| *known != name);
        let after = self.0.iter().position(|(known, _)| place(known) > Some(at)).unwrap_or(self.0.len());
        self.0.insert(after, (command.args[at].name, value));
    }

    /// Every argument that was given.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The arguments as a struct of the handler's own, a `-` in a name being a `_`. Durations and times are read by
    /// their own serde forms, optional arguments into `Option`s.
    ///
    /// # Errors
    /// When the struct does not fit the command's spec, which is a mistake of ours.
    pub fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let fields: Result<serde_json::Map<_, _>, _> =
            self.iter().map(|(name, value)| Ok((name.replace('-', "_"), value.to_json()?))).collect();
        let fields =
            fields.map_err(|error: serde_json::Error| error).context("an argument can not be written as JSON")?;
        serde_json::from_value(serde_json::Value::Object(fields)).context("the arguments do not fit")
    }
}

#[cfg(test)]
mod tests {
    use super::Args;
    use crate::spec::{ArgSpec, CommandSpec, Effect, Kind, Need};
    use crate::value::Value;
    use chrono::{DateTime, Utc};
    use std::time::Duration;

    static COMMAND: CommandSpec = CommandSpec {
        name: "try",
        about: "Try it",
        args: &[
            ArgSpec::required("service", Kind::Service, "Which"),
            ArgSpec::required("dry-run", Kind::Integer(0, i64::MAX), "How often"),
            ArgSpec::required("share", Kind::Percent, "How much"),
            ArgSpec::optional("for", Kind::Duration, "How long"),
            ArgSpec::optional("since", Kind::Time, "When"),
            ArgSpec::optional("because", Kind::Text, "Why"),
        ],
        need: Need::Rule,
        effect: Effect::Reads,
        urgent: false,
        on_message: None,
        examples: &["try"],
    };

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Typed {
        service: String,
        dry_run: i64,
        share: f64,
        r#for: Option<Duration>,
        since: Option<DateTime<Utc>>,
        because: Option<String>,
    }

    #[test]
    fn a_handler_reads_its_own_struct() {
        let since = DateTime::from_timestamp_millis(1_772_373_600_123).unwrap();
        let mut args = Args::default();
        for (name, value) in [
            ("since", Value::Time(since)),
            ("service", Value::Text("old".into())),
            ("share", Value::Percent(12.5)),
            ("dry-run", Value::Integer(i64::MAX)),
            ("unknown", Value::Integer(1)),
            ("for", Value::Duration(Duration::from_secs(5400))),
            ("service", Value::Text("hello".into())),
        ] {
            args.set(&COMMAND, name, value);
        }
        let read: Typed = args.read().unwrap();
        let expected = Typed {
            service: "hello".into(),
            dry_run: i64::MAX,
            share: 12.5,
            r#for: Some(Duration::from_secs(5400)),
            since: Some(since),
            because: None,
        };
        assert_eq!(read, expected);
        let names: Vec<_> = args.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["service", "dry-run", "share", "for", "since"]);
        assert_eq!((args.get("share"), args.get("unknown")), (Some(&Value::Percent(12.5)), None));
    }

    #[test]
    fn a_struct_that_does_not_fit_is_an_error_that_names_the_field() {
        let mut args = Args::default();
        args.set(&COMMAND, "service", Value::Integer(3));
        let error = format!("{:#}", args.read::<Typed>().unwrap_err());
        assert!(error.contains("the arguments do not fit") && error.contains("expected a string"), "{error}");
    }
}
