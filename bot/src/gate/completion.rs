//! What is offered to whoever is typing: what can come next, from live data, and only what they may say; and what they might
//! ask themselves.

use super::{Bot, approval};
use commands::complete::{self, Choice, Completion, Slot, Spot};
use commands::cx::Who;
use commands::ledger::Place;
use commands::plugin::Advice;
use commands::policy::Question;
use commands::spec::{CommandSpec, Kind};
use commands::value::Value;
use std::time::Duration;

/// Live values that take longer than this are left out: completion is for fingers.
const LIMIT: Duration = Duration::from_secs(3);

impl Bot {
    /// What `who` can type next at `cursor`, in characters, of `line`.
    pub async fn complete(&self, line: &str, cursor: usize, who: &Who, place: &Place) -> Completion {
        let ports = &self.world.ports;
        let spot = complete::spot(line, cursor, &self.registry, &ports.vocabulary, ports.clock.now());
        let choices = match spot.kind() {
            None => Vec::new(),
            Some(Kind::Command) => {
                let reachable = self.reachable(who, place).into_iter();
                reachable.map(|command| Choice::new(command.name, command.about)).collect()
            }
            Some(kind) => self.values(kind, &spot, who, place).await,
        };
        let reachable = spot.command.is_none_or(|command| self.may(who, command, &spot, None, place));
        if reachable { spot.complete(&choices) } else { Completion::default() }
    }

    /// What `who` might ask themselves, who is writing `text` as the argument `name` of `line`.
    pub async fn advise(&self, line: &str, name: &str, text: &str, who: &Who, place: &Place) -> Option<Advice> {
        let ports = &self.world.ports;
        let spot = complete::spot(line, line.chars().count(), &self.registry, &ports.vocabulary, ports.clock.now());
        let command = spot.command.filter(|command| self.may(who, command, &spot, None, place))?;
        let arg = command.args.iter().find(|arg| arg.name == name)?;
        let advice = self.plugin(command).advise(arg, text, &spot.given, ports);
        tokio::time::timeout(LIMIT, advice).await.ok().flatten()
    }

    /// The values that may stand at the spot, less those that would make the line one that `who` may not say.
    async fn values(&self, kind: Kind, spot: &Spot, who: &Who, place: &Place) -> Vec<Choice> {
        let ports = &self.world.ports;
        let (Some(command), Some(arg)) = (spot.command, spot.arg()) else { return Vec::new() };
        let mut choices = complete::choices(kind, &self.registry, &ports.vocabulary);
        if matches!(spot.slot, Slot::Named(_) | Slot::Free(_)) {
            if arg.name == approval::REQUEST {
                // The commands are open to all; what is asked for is for those alone whom it concerns.
                return approval::choices(&*ports.store, &who.name, ports.clock.now()).await;
            }
            let live = self.plugin(command).complete(arg, &spot.given, ports);
            choices.extend(tokio::time::timeout(LIMIT, live).await.unwrap_or_default());
        }
        choices.retain(|choice| self.may(who, command, spot, Some((arg.name, &choice.value)), place));
        choices
    }

    /// Whether the line at the spot, with this value in it, may still become one that `who` may say.
    fn may(
        &self,
        who: &Who,
        command: &'static CommandSpec,
        spot: &Spot,
        value: Option<(&str, &str)>,
        place: &Place,
    ) -> bool {
        let mut args = spot.given.clone();
        if let Some((name, value)) = value {
            args.set(command, name, Value::Text(value.to_owned()));
        }
        self.decide(&Question { unfinished: true, ..self.question(who, command, &args, place) }).allowed
    }
}
