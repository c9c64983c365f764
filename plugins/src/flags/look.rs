//! The commands that change nothing: which flags there are, how one stands, and what became of it.

use super::model::{Life, TRAIL};
use super::snapshot::{ALL, Snapshot};
use super::{Flags, model, schedule, show};
use anyhow::Context;
use commands::cx::Cx;
use commands::ledger::{self, Entry};
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

/// How many rows are shown at once.
pub const PAGE: usize = 20;

#[derive(Deserialize)]
struct ListArgs {
    like: Option<String>,
    owner: Option<String>,
    service: Option<String>,
    archived: Option<String>,
    page: Option<usize>,
}

#[derive(Deserialize)]
struct FlagArgs {
    flag: String,
    env: Option<String>,
}

impl Flags {
    pub(super) async fn list(&self, cx: &Cx) -> Result<Reply> {
        let ListArgs { like, owner, service, archived, page } = cx.args()?;
        let snapshot = self.live.get(cx.ports()).await?;
        let (page, shelf) = (page.unwrap_or(1).max(1), archived.as_deref() == Some("yes"));
        let like = like.map(|like| like.to_lowercase());
        let fits = |(key, flag): &(&String, &std::sync::Arc<model::Flag>)| {
            let has = |like: &String| {
                key.to_lowercase().contains(like) || flag.tags.iter().any(|tag| tag.to_lowercase() == *like)
            };
            flag.archived.is_some() == shelf
                && like.as_ref().is_none_or(has)
                && owner.as_ref().is_none_or(|owner| flag.owner.as_ref() == Some(owner))
                && service.as_ref().is_none_or(|service| flag.service.as_ref() == Some(service))
        };
        let all: Vec<_> = snapshot.flags.iter().filter(fits).collect();
        if all.is_empty() {
            let picky = like.is_some() || owner.is_some() || service.is_some();
            let flags = text::plural(snapshot.flags.len(), "flag");
            return Ok(Reply::say(match (snapshot.flags.len(), picky, shelf) {
                (0, ..) => "There are no flags yet. `/flag create checkout-v2` makes one.".to_owned(),
                (_, false, true) => "No flag is archived. `/flag list` shows all.".to_owned(),
                (1, false, false) => "The only flag is archived. `/flag list archived:yes` shows it.".to_owned(),
                (_, false, false) => format!("All {flags} are archived. `/flag list archived:yes` shows them."),
                (_, true, true) => "No archived flag is like that. `/flag list archived:yes` shows all.".to_owned(),
                (_, true, false) => {
                    format!("No flag is like that, of {flags} that there are. `/flag list` shows all in use.")
                }
            }));
        }
        let pages = all.len().div_ceil(PAGE);
        if page > pages {
            return Err(Stop::refuse(format!("There are {} only.", text::plural(pages, "page"))));
        }
        let environments = &cx.ports().vocabulary.environments;
        let mut reply = Reply::card(Tone::Plain, text::plural(all.len(), "flag"), "");
        let mut rows = Vec::new();
        for (key, flag) in all.iter().skip((page - 1) * PAGE).take(PAGE) {
            let owner = flag.owner.as_deref().map_or_else(|| "nobody".to_owned(), text::plain);
            let life = match flag.life {
                Life::Until(at) if at <= cx.now() => format!("{}, expired", flag.kind.word()),
                _ => flag.kind.word().to_owned(),
            };
            rows.push([(*key).clone(), on_in(&snapshot, environments, key), owner, life]);
        }
        reply = reply.table(["Flag", "On in", "Owner", "Kind"], rows);
        if page < pages {
            reply.text = format!("Page {page} of {pages}.");
            let mut line = format!("flag list page:{}", page + 1);
            let said = [("like", &like), ("owner", &owner), ("service", &service), ("archived", &archived)];
            for (name, value) in said.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                line += &format!(" {name}:{}", commands::parse::quote(value));
            }
            reply = reply.button(Button::new("Next", line));
        }
        Ok(reply)
    }

    pub(super) async fn show(&self, cx: &Cx) -> Result<Reply> {
        let FlagArgs { flag, .. } = cx.args()?;
        let found = self.any(cx, &flag).await?;
        let snapshot = self.live.get(cx.ports()).await?;
        let dependants: Vec<_> = snapshot.dependants(&found.key).map(str::to_owned).take(PAGE).collect();
        let settings = show::settings(cx, &found.key).await?;
        let mut reply = show::flag(&found, &settings, &dependants, &snapshot, cx);
        for (environment, _) in &settings {
            if let Some(usage) = self.serving.usage(cx.store(), environment, &found.key).await? {
                reply = reply.field(format!("Asked for in {environment}"), usage.told(cx.now()));
            }
            if let Some(planned) = schedule::told(cx, environment, &found.key).await? {
                reply = reply.field(format!("Planned in {environment}"), planned);
            }
        }
        Ok(reply)
    }

    pub(super) async fn history(&self, cx: &Cx) -> Result<Reply> {
        let FlagArgs { flag, env } = cx.args()?;
        let key = self.any(cx, &flag).await?.key;
        let mut rows = Vec::new();
        let prefix = format!("{TRAIL}{key}/");
        let mut before = None::<String>;
        while rows.len() < PAGE {
            let found = cx.store().scan_back(&prefix, before.as_deref(), PAGE).await?;
            let Some((last, _)) = found.last() else { break };
            before = Some(last.clone());
            for (name, _) in &found {
                let number = u64::from_str_radix(name.rsplit('/').next().unwrap_or_default(), 16);
                let entry = entry(cx, number.context("this is no number of an act")?).await?;
                if env.is_none() || entry.draft.environment == env {
                    rows.push(row(&key, &entry, cx));
                }
            }
        }
        if rows.is_empty() {
            return Ok(Reply::say(format!("Nothing was changed about `{key}` there.")));
        }
        rows.truncate(PAGE);
        let reply = Reply::card(Tone::Plain, format!("Flag {key}"), "The last changes, newest first.");
        Ok(reply.table(["What", "Where", "When", "Who", "Why"], rows))
    }
}

/// The environments in which a flag is on for anybody.
fn on_in(snapshot: &Snapshot, environments: &[String], key: &str) -> String {
    let on = |env: &&String| snapshot.served(env, ALL).and_then(|it| it.find(key)).is_some_and(|it| it.on);
    let on: Vec<_> = environments.iter().filter(on).map(String::as_str).collect();
    if on.is_empty() { "–".to_owned() } else { on.join(", ") }
}

/// The entry of this number.
pub async fn entry(cx: &Cx, number: u64) -> anyhow::Result<Entry> {
    let key = ledger::key(number);
    let record = cx.store().get(&key).await?.with_context(|| format!("{key} is not on the ledger"))?;
    Entry::read(&record.value)
}

fn row(key: &str, entry: &Entry, cx: &Cx) -> [String; 5] {
    let draft = &entry.draft;
    let what = match draft.object.strip_prefix(key).and_then(|rest| rest.strip_prefix(": ")) {
        Some(change) => change.to_owned(),
        None => draft.verb.trim_start_matches("flags.").to_owned(),
    };
    let env = draft.environment.clone().unwrap_or_else(|| "–".to_owned());
    let who = format!("{} (#{})", text::plain(&draft.who), entry.seq);
    [text::plain(&what), env, show::moment(draft.at, cx), who, text::cut(&text::plain(&draft.why), 60)]
}
