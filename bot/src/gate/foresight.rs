//! What would become of a line, said without doing it.

use super::{Ask, Bot, Plugged, queue};
use anyhow::Context;
use async_trait::async_trait;
use commands::cx::{Call, Cx, Foreseen, Foresight, InLine};
use commands::parse::Invocation;
use commands::plugin::Guarded;
use commands::policy::Decision;
use commands::stop::Result;
use tokio::sync::mpsc;

#[async_trait]
impl Foresight for Bot {
    async fn would(&self, cx: &Cx, line: &str) -> Result<Foreseen> {
        let invocation = self.whole(self.parse(line)?).await?;
        let call = cx.call().clone();
        let question = self.question(&call.who, invocation.command, &invocation.args, &call.place);
        let Decision { allowed, asks, .. } = self.decide(&question);
        let who_may = self.policy.who_may(&question);
        let in_the_way = self.in_the_way(call, invocation).await?;
        Ok(Foreseen { allowed, asks, who_may, in_the_way })
    }

    fn in_line(&self, service: &str, environment: &str) -> Vec<InLine> {
        self.line(service, environment)
    }
}

impl Bot {
    /// Whether, as things stand, this would be worked on, and not be refused: whoever asks may be told at once that an
    /// answer comes.
    pub async fn welcomes(&self, ask: &Ask) -> bool {
        let who = self.people.who(&ask.speaker);
        let Ok(Some(line)) = self.would_say(&ask.said, &who).await else { return false };
        let Ok(invocation) = self.parse(&line) else { return false };
        let Ok(invocation) = self.whole(invocation).await else { return false };
        let call = Call::unasked(who, ask.place.clone());
        let allowed = self.decide(&self.question(&call.who, invocation.command, &invocation.args, &call.place)).allowed;
        allowed && self.in_the_way(call, invocation).await.is_ok_and(|found| found.is_empty())
    }

    /// What the plugins' guards have to say about it: nothing where they are not asked.
    async fn in_the_way(&self, call: Call, invocation: Invocation) -> Result<Vec<String>> {
        if !queue::serial(invocation.command) {
            return Ok(Vec::new());
        }
        let nobody = mpsc::unbounded_channel().0;
        let cx = Cx::new(self.world.clone(), call, Some(invocation), nobody, self.stopping.clone());
        let mut found = Vec::new();
        for Plugged { spec, plugin } in &self.plugins {
            let said = plugin.guard(&cx).await;
            match said.with_context(|| format!("`{}` can not say whether this may be done now", spec.name))? {
                Guarded::Allow | Guarded::While { .. } => {}
                Guarded::Warn(reason) => found.push(reason),
                Guarded::Deny(reply) => found.push(reply.text),
            }
        }
        Ok(found)
    }
}
