//! What would become of a line, said without doing it.

use super::{Ask, Bot, Plugged};
use anyhow::Context;
use async_trait::async_trait;
use commands::cx::{Call, Cx, Foreseen, Foresight, InLine};
use commands::plugin::Guarded;
use commands::policy::Decision;
use commands::stop::Result;
use tokio::sync::mpsc;

#[async_trait]
impl Foresight for Bot {
    async fn would(&self, cx: &Cx, line: &str) -> Result<Foreseen> {
        let invocation = self.parse(line)?;
        let call = cx.call().clone();
        let question = self.question(&call.who, invocation.command, &invocation.args, &call.place);
        let Decision { allowed, confirm, code, .. } = self.decide(&question);
        let who_may = self.policy.who_may(&question);
        let nobody = mpsc::unbounded_channel().0;
        let asked = Cx::new(self.world.clone(), call, Some(invocation), nobody, self.stopping.clone());
        let mut in_the_way = Vec::new();
        for Plugged { spec, plugin } in &self.plugins {
            let said = plugin.guard(&asked).await;
            match said.with_context(|| format!("`{}` can not say whether this may be done now", spec.name))? {
                Guarded::Allow | Guarded::While { .. } => {}
                Guarded::Warn(reason) => in_the_way.push(reason),
                Guarded::Deny(reply) => in_the_way.push(reply.text),
            }
        }
        Ok(Foreseen { allowed, confirm, code, who_may, in_the_way })
    }

    fn in_line(&self, service: &str, environment: &str) -> Vec<InLine> {
        self.line(service, environment)
    }
}

impl Bot {
    /// Whether, as things stand, this would be worked on, and not be refused: whoever asks may be told at once that an
    /// answer comes.
    pub async fn welcomes(&self, ask: &Ask) -> bool {
        let (who, place) = (self.people.who(&ask.speaker), ask.place.clone());
        let Ok(Some(line)) = self.would_say(&ask.said, &who).await else { return false };
        let call = Call { who, place, agreed: None, confirm: false, code: None };
        let nobody = mpsc::unbounded_channel().0;
        let cx = Cx::new(self.world.clone(), call, None, nobody, self.stopping.clone());
        self.would(&cx, &line).await.is_ok_and(|foreseen| foreseen.allowed && foreseen.in_the_way.is_empty())
    }
}
