//! `/help`: only what the asker may say.

use crate::gate::Bot;
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use commands::views::help;

#[derive(serde::Deserialize)]
struct HelpArgs {
    command: Option<String>,
    page: Option<usize>,
}

pub(super) fn help(bot: &Bot, cx: &Cx) -> Result<Reply> {
    let HelpArgs { command, page } = cx.args()?;
    let reachable = bot.reachable(&cx.call().who, &cx.call().place);
    let Some(name) = command else { return Ok(help::overview(&reachable, page.unwrap_or(1)).only_you()) };
    let in_group = |other: &str| other.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let found: Vec<_> = reachable.into_iter().filter(|command| in_group(command.name)).collect();
    match &found[..] {
        [] => Err(Stop::refuse(format!(
            "You may not say `/{name}`, so there is nothing to explain. {} shows who may.",
            text::code(&format!("/why line:\"{name}\""))
        ))),
        [command] => Ok(help::command(command).only_you()),
        several => Ok(help::overview(several, page.unwrap_or(1)).only_you()),
    }
}
