//! Which post-mortem is meant: the one of a number, or the only one that it can be.

use super::records::{self, ABOUT, DOCUMENTS, Document, Stage};
use commands::cx::Cx;
use commands::parse::LONGEST_LINE;
use commands::reply::{Button, Reply};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;

/// Of how many it is asked which is meant, and how many are looked at, the newest first.
const ASKED: usize = 5;
const LOOKED_AT: usize = 50;

/// The post-mortem of this number; without one, the one that is meant.
///
/// # Errors
/// A refusal that says what there is.
pub async fn document(cx: &Cx, number: Option<u64>) -> Result<Versioned<Document>> {
    match number {
        Some(number) => numbered(cx, number).await,
        None => meant(cx, "open", |stage| stage != Stage::Closed).await,
    }
}

async fn numbered(cx: &Cx, number: u64) -> Result<Versioned<Document>> {
    if let Some(found) = DOCUMENTS.get(cx.store(), records::name(number)).await? {
        return Ok(found);
    }
    // An incident is what people have a number of.
    let own = ABOUT.get(cx.store(), records::name(number)).await?.map(|own| own.value);
    let is_incident = own.is_some() || cx.ports().offered.incident(cx.ports(), number).await?.is_some();
    let instead = match own {
        Some(own) => format!("Incident #{number} has the post-mortem #{own}: say that number."),
        None if is_incident => {
            format!("Incident #{number} has none: `/postmortem start incident:{number}` starts one.")
        }
        None => newest(cx).await?,
    };
    Err(Stop::refuse(format!("There is no post-mortem #{number}, so nothing was done. {instead}")))
}

async fn newest(cx: &Cx) -> Result<String> {
    let newest = DOCUMENTS.scan_back(cx.store(), "", None, 1).await?;
    Ok(match newest.first() {
        Some((_, newest)) => {
            let Document { number, title, .. } = &newest.value;
            format!("The newest is #{number}, {}; `/postmortem list` shows all.", text::code(title))
        }
        None => "There is none yet: `/postmortem start title:\"…\"` starts one.".to_owned(),
    })
}

/// Among those at a stage that `fits`, which people call `so`: the one that was started here, else the only one.
///
/// # Errors
/// A refusal that asks which is meant.
pub async fn meant(cx: &Cx, so: &str, fits: impl Fn(Stage) -> bool) -> Result<Versioned<Document>> {
    let heads = records::heads(cx.store()).await?;
    let mut all = Vec::new();
    for head in heads.iter().filter(|head| fits(head.stage)).take(LOOKED_AT) {
        all.extend(DOCUMENTS.get(cx.store(), records::name(head.number)).await?);
    }
    let here = &cx.call().place;
    let is_here = |found: &Versioned<Document>| {
        let home = &found.value.place;
        home.platform == here.platform && home.channel == here.channel
    };
    if all.iter().any(is_here) {
        all.retain(is_here);
    }
    match (all.len(), all.pop()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(Stop::refuse(format!("No post-mortem is {so}, so nothing was done. {}", newest(cx).await?))),
        (_, Some(last)) => {
            all.push(last);
            Err(ask(cx, so, &all).into())
        }
    }
}

/// Asks which of these is meant: the same line again, for each.
fn ask(cx: &Cx, so: &str, all: &[Versioned<Document>]) -> Reply {
    let asked = || all.iter().take(ASKED).map(|found| &found.value);
    let named: Vec<_> =
        asked().map(|it| format!("#{} is {}", it.number, text::cut(&text::plain(&it.title), 60))).collect();
    let reply = Reply::refuse(format!(
        "{} post-mortems are {so}, and it was not said which is meant, so nothing was done. {}. Say it again with a number, as in `number:{}`.",
        all.len(),
        named.join("; "),
        all[0].value.number
    ));
    let button = |it: &Document| {
        let line = format!("{} number:{}", cx.invocation()?.line(), it.number);
        (line.chars().count() <= LONGEST_LINE).then(|| Button::new(format!("#{}", it.number), line))
    };
    asked().filter_map(button).fold(reply, Reply::button)
}
