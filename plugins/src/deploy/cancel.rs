//! `/deploy cancel`: ends the deploy that is under way, and never another one.

use super::records::Target;
use super::{Deployer, show};
use commands::act::Act;
use commands::cx::{Cx, InLine};
use commands::reply::{Button, Reply};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct CancelArgs {
    service: String,
    env: String,
    number: Option<u64>,
}

impl Deployer {
    pub(super) async fn cancel(&self, cx: &Cx) -> Result<Reply> {
        let CancelArgs { service, env, number: wanted } = cx.args()?;
        let target = Target { service, environment: env };
        let Target { service, environment } = &target;
        let own = cx.in_line(service, environment).into_iter().skip(1).find(|it| it.who == cx.who());
        let Some(under_way) = self.under_way.get(&target) else {
            let none =
                format!("No deploy of `{service}` in `{environment}` is under way, so there is nothing to cancel.");
            return Err(match own {
                Some(own) => Reply::refuse(format!("{none} Your {} waits in line.", text::code(&own.line)))
                    .button(leave(&own, cx))
                    .into(),
                None => Stop::refuse(format!("{none} `/deploy status` shows what is live.")),
            });
        };
        let number = under_way.number;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != number) {
            return Err(Stop::refuse(format!(
                "Deploy #{wanted} of `{service}` in `{environment}` is not under way, but #{number} is, so nothing was done. `/deploy cancel {service} {environment}` ends that one."
            )));
        }
        if let (None, Some(own)) = (wanted, own) {
            // Both could be meant, and the wrong guess ends somebody else's deploy.
            return Err(Reply::refuse(format!(
                "Deploy #{number} of `{service}` in `{environment}` is under way, and your {} waits behind it. Nothing was done: say which one is to end.",
                text::code(&own.line)
            ))
            .button(show::cancel(&target, number))
            .button(leave(&own, cx))
            .into());
        }
        if let Some(goes_on) = under_way.is_too_late() {
            return Err(too_late(number, goes_on));
        }
        let act = Act {
            verb: "deploy.cancel",
            object: format!("#{number}"),
            says: format!("Cancel deploy #{number}."),
            facts: vec![("deploy", number.to_string())],
            service: Some(target.service),
            environment: Some(target.environment),
            ..Act::default()
        };
        cx.act(act, async |_| match under_way.is_too_late() {
            Some(goes_on) => Err(too_late(number, goes_on)),
            None => {
                under_way.end(cx.who());
                Ok(())
            }
        })
        .await?;
        Ok(Reply::say(format!("Deploy #{number} is being ended; its own message tells how it comes out.")))
    }
}

/// What leads back is not ended half way.
fn too_late(number: u64, goes_on: &str) -> Stop {
    Stop::refuse(format!(
        "Deploy #{number} can not be cancelled any more, so nothing was done. {goes_on}; its own message tells how it comes out."
    ))
}

fn leave(own: &InLine, cx: &Cx) -> Button {
    Button::new("Leave the line", own.leave.clone()).only_for(cx.who())
}
