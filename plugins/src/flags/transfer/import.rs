//! `/flag import`: a plan that is shown, the same carried out as one act, and taken back.

use super::arrange::{MOST, Plan, most_at_once, touched};
use super::{Bundle, own, unleash};
use crate::flags::change::TIMERS;
use crate::flags::model::{Changed, FLAGS, Flag, SETTINGS, Setting, put_flag, put_segment, put_setting, setting_name};
use crate::flags::rollout::ROLLOUTS;
use crate::flags::{Flags, words};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::parse::quote;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use serde_json::Value;

/// How many changes are shown.
const SHOWN: usize = 20;

#[derive(Deserialize)]
struct Said {
    from: String,
    env: Option<String>,
    plan: Option<String>,
}

#[derive(Deserialize)]
struct UndoArgs {
    number: u64,
}

impl Flags {
    pub(crate) async fn import_plan(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let plan = self.planned_import(cx, &said).await?;
        Ok(self.shown(cx, &said, &plan, "Nothing is changed yet.").await?)
    }

    pub(crate) async fn import_apply(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let plan = self.planned_import(cx, &said).await?;
        if said.plan.as_deref() != Some(plan.digest().as_str()) {
            let reply = self.shown(
                cx,
                &said,
                &plan,
                "The plan does not hold any more, so nothing was changed. This is how it is now.",
            );
            return Err(Reply { only_you: true, ..reply.await? }.into());
        }
        if plan.is_empty() {
            return Ok(Reply::say("All of it stands like that already. Nothing was changed."));
        }
        self.may_import(cx, &plan).await?;
        let counts = counts(&plan, true);
        let jump = most_at_once(&plan, &self.settings.production);
        let mut says = format!("Import from {}: {}.", text::code(&said.from), self::counts(&plan, false));
        if let Some(jump) = jump.filter(|jump| *jump > self.settings.step) {
            says += &format!(" In production, one goes up by {jump} % of all users at once.");
        }
        let act = Act {
            verb: "flags.import",
            object: format!("{counts}, from {}", text::plain(&text::cut(&said.from, 100))),
            environment: said.env.clone(),
            says,
            facts: vec![("plan", plan.digest()), ("changes", (plan.made.len() + plan.changed.len()).to_string())],
            danger: jump.is_some(),
            ..Act::default()
        };
        let reply = cx
            .act(act, async |permit| {
                self.stage_import(cx, permit, &plan)?;
                let undo = format!("flag import undo number:{}", permit.act());
                permit.undo(Some(undo.clone()));
                let reply = Reply::card(Tone::Good, "Flags imported", format!("{}.", text::capital(&counts)))
                    .field("Change", format!("#{} by {}", permit.act(), text::plain(cx.who())))
                    .button(Button::new("Undo", undo));
                self.announce(cx, permit, None, &reply)?;
                Ok(reply)
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(reply)
    }

    /// Reads the file, and works out what it would change.
    async fn planned_import(&self, cx: &Cx, said: &Said) -> Result<Plan> {
        let text = self.file(cx, &said.from).await?;
        let shown = text::code(&text::cut(&said.from, 60));
        let bundle = read(&text, said.env.as_deref())
            .map_err(|wrong| Stop::refuse(format!("{shown} {}. Nothing was changed.", text::plain(&wrong))))?;
        if bundle.flags.len() > MOST {
            return Err(Stop::refuse(format!(
                "{shown} has {} flags, and {MOST} at once is the most. Nothing was changed.",
                bundle.flags.len()
            )));
        }
        Ok(self.arrange(cx, bundle, said.env.as_deref()).await?)
    }

    async fn shown(&self, cx: &Cx, said: &Said, plan: &Plan, first: &str) -> anyhow::Result<Reply> {
        let snapshot = self.live.get(cx.ports()).await?;
        let mut text = format!("{first} It would {}.", counts(plan, false));
        if plan.is_empty() {
            text = "All of it stands like that already, or is left out: there is nothing to import.".to_owned();
        }
        let tone = if plan.lost.is_empty() { Tone::Plain } else { Tone::Warn };
        let mut reply = Reply::card(tone, "Import: the plan", text);
        for (at, lost) in plan.lost.iter().enumerate().take(10) {
            reply = reply.field(if at == 0 { "Not as in the file" } else { "And" }, text::cut(lost, 400));
        }
        let row = |it: &super::arrange::Change| {
            let (was, is) = words::pair(&it.was.0.state, &it.after, &snapshot);
            [it.key.clone(), it.environment.clone(), text::plain(&was), text::plain(&is)]
        };
        let rows: Vec<_> = plan.changed.iter().take(SHOWN).map(row).collect();
        let more = plan.changed.len().saturating_sub(rows.len());
        if more > 0 {
            reply.text += &format!(" {more} more changes are not shown.");
        }
        if !rows.is_empty() {
            reply = reply.table(["Flag", "Where", "Is", "Would be"], rows);
        }
        if plan.is_empty() {
            return Ok(reply);
        }
        let env = said.env.as_ref().map(|env| format!(" env:{env}")).unwrap_or_default();
        let line = format!("flag import apply from:{} plan:{}{env}", quote(&said.from), plan.digest());
        Ok(reply.button(Button::new("Import this", line)))
    }

    /// Refuses what policy, a lock or a freeze would refuse for one of its changes, said by itself.
    async fn may_import(&self, cx: &Cx, plan: &Plan) -> Result<()> {
        for ((environment, service), key) in touched(plan) {
            let service = service.map(|service| format!(" service:{service}")).unwrap_or_default();
            let line = format!("flag set flag:{key} env:{environment}{service} percent:1");
            let foreseen = cx.would(&line).await?;
            let asks = !foreseen.asks.approvals.is_empty() || foreseen.asks.code.is_some();
            let why = match foreseen.in_the_way.first() {
                _ if !foreseen.allowed => "policy does not let you change flags there.",
                _ if asks => "policy asks for the approval of others or a code there, flag by flag.",
                Some(why) => why,
                None => continue,
            };
            return Err(Stop::refuse(format!(
                "`{environment}` is in the file, so nothing was imported: {why} With `env:` it goes into one environment alone."
            )));
        }
        for (key, flag) in &plan.made {
            let service = flag.service.as_ref().map(|service| format!(" service:{service}")).unwrap_or_default();
            self.may_say(cx, &format!("flag create flag:{key}{service}")).await?;
        }
        Ok(())
    }

    /// Refuses what policy does not let the caller say.
    async fn may_say(&self, cx: &Cx, line: &str) -> Result<()> {
        match cx.would(line).await?.allowed {
            true => Ok(()),
            false => Err(Stop::refuse(format!(
                "It would do {}, which policy does not let you say. Nothing was done. `/why` shows each rule.",
                text::to_say(line)
            ))),
        }
    }

    fn stage_import(&self, cx: &Cx, permit: &Permit, plan: &Plan) -> Result<()> {
        let changed = Changed { act: permit.act(), who: cx.who().to_owned(), at: cx.now() };
        for (number, segment) in &plan.segments {
            permit.expect(crate::flags::model::SEGMENTS.key(crate::flags::model::segment_name(*number)), 0);
            put_segment(permit, *number, Some(segment))?;
        }
        for (key, flag) in &plan.made {
            permit.expect(FLAGS.key(key), 0);
            put_flag(permit, key, flag)?;
        }
        for it in &plan.changed {
            let name = setting_name(&it.environment, &it.key);
            if it.flag > 0 {
                permit.expect(FLAGS.key(&it.key), it.flag);
            }
            permit.expect(SETTINGS.key(&name), it.was.1);
            let next = it.was.0.then(it.after.clone(), changed.clone(), true);
            put_setting(permit, &it.environment, &it.key, &next)?;
            // Whoever changes a flag by hand ends its rollout, and that it goes back by itself.
            permit.delete(ROLLOUTS.key(&name));
            permit.delete(TIMERS.key(&name));
        }
        Ok(())
    }

    pub(crate) async fn import_undo(&self, cx: &Cx) -> Result<Reply> {
        let UndoArgs { number } = cx.args()?;
        let entry = crate::flags::look::entry(cx, number).await.ok().filter(|entry| entry.draft.verb == "flags.import");
        let Some(entry) = entry else {
            return Err(Stop::refuse(format!(
                "#{number} is no import, so nothing was undone. `/changes` shows what was done."
            )));
        };
        let mut settings = SETTINGS.scan(cx.store(), "", usize::MAX).await?;
        settings.retain(|(_, it)| it.value.changed.as_ref().is_some_and(|changed| changed.act == number));
        let mut flags = FLAGS.scan(cx.store(), "", usize::MAX).await?;
        flags.retain(|(_, it)| it.value.act == number && it.value.archived.is_none());
        let count = settings.len() + flags.len();
        if count == 0 {
            return Ok(Reply::say(format!("Nothing of #{number} is left to undo: all of it was changed since.")));
        }
        for (name, _) in &settings {
            if let Some((environment, key)) = name.split_once('/') {
                self.may_say(cx, &format!("flag undo flag:{key} env:{environment}")).await?;
            }
        }
        let all: usize =
            entry.draft.facts.get("changes").and_then(Value::as_str).and_then(|all| all.parse().ok()).unwrap_or(count);
        let stays = all.saturating_sub(count);
        let stays = match stays {
            0 => String::new(),
            some => format!(" What was changed since stays as it is: {}.", text::plural(some, "change")),
        };
        let act = Act {
            verb: "flags.import-undo",
            object: format!("import #{number}"),
            environment: entry.draft.environment.clone(),
            says: format!("Take the import #{number} back: {}.{stays}", text::plural(count, "change")),
            facts: vec![("import", number.to_string()), ("changes", count.to_string())],
            danger: settings.iter().any(|(name, it)| self.goes_up(name, &it.value)),
            ..Act::default()
        };
        let reply = cx
            .act(act, async |permit| {
                let changed = Changed { act: permit.act(), who: cx.who().to_owned(), at: cx.now() };
                for (name, it) in &settings {
                    let Some((environment, key)) = name.split_once('/') else { continue };
                    permit.expect(SETTINGS.key(name), it.version);
                    let next = it.value.then(it.value.before.clone().unwrap_or_default(), changed.clone(), true);
                    put_setting(permit, environment, key, &next)?;
                }
                for (key, it) in &flags {
                    permit.expect(FLAGS.key(key), it.version);
                    put_flag(permit, key, &Flag { archived: Some(cx.now()), ..it.value.clone() })?;
                }
                let says = format!(
                    "#{number} is taken back: {} as before, {} in the archive.{stays}",
                    text::plural(settings.len(), "setting"),
                    text::plural(flags.len(), "new flag")
                );
                let reply = Reply::card(Tone::Warn, "Import taken back", says)
                    .field("Change", format!("#{} by {}", permit.act(), text::plain(cx.who())));
                self.announce(cx, permit, None, &reply)?;
                Ok(reply)
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(reply)
    }

    /// Whether going back turns something up in production.
    fn goes_up(&self, name: &str, it: &Setting) -> bool {
        let production =
            name.split_once('/').is_some_and(|(name, _)| self.settings.production.iter().any(|it| it == name));
        production && it.before.as_ref().is_some_and(|before| before.raises(&it.state))
    }
}

/// Reads a file, whoever has written it.
fn read(text: &str, into: Option<&str>) -> std::result::Result<Bundle, String> {
    let file: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.is_eof() {
            true => format!("is cut off: it ends in line {line}, in the middle"),
            false => format!("is no JSON: line {line}, column {column} has something else"),
        }
    })?;
    if file.get("$schema").and_then(Value::as_str).is_some_and(|schema| schema.contains("flagd")) {
        return Err("is flagd's, which is only written: what it says can not be said of a flag here".to_owned());
    }
    if own::is_own(&file) { own::read(file) } else { unleash::read(file, into) }
}

/// "make 3 flags, change how flags stand in 2 places, leave 5 as they are", or what was done of that.
fn counts(plan: &Plan, done: bool) -> String {
    let [make, change, leave] = if done { ["made", "changed", "left"] } else { ["make", "change", "leave"] };
    let parts = [
        (plan.made.len(), format!("{make} {}", text::plural(plan.made.len(), "flag"))),
        (plan.segments.len(), format!("{make} {}", text::plural(plan.segments.len(), "segment"))),
        (plan.changed.len(), format!("{change} how flags stand in {}", text::plural(plan.changed.len(), "place"))),
        (plan.same, format!("{leave} {} as they are", plan.same)),
    ];
    parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, part)| part).collect::<Vec<_>>().join(", ")
}
