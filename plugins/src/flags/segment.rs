//! Segments: conditions under a name, for any flag to use.

use super::change::Target;
use super::model::{MARK, SEGMENTS, SETTINGS, Segment, State, put_segment, segment_name, wrong_with_key};
use super::rollout::ROLLOUTS;
use super::{Flags, constraint, words};
use commands::act::Act;
use commands::cx::Cx;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Said {
    segment: String,
    when: Option<String>,
    number: Option<i32>,
}

impl Flags {
    pub(super) async fn segment_create(&self, cx: &Cx) -> Result<Reply> {
        let Said { segment: name, when, .. } = cx.args()?;
        if let Some((wrong, fits)) = wrong_with_key(&name) {
            let shown = text::code(&text::cut(&name, 60));
            return Err(Stop::refuse(format!(
                "{shown} can not be the name of a segment: it {wrong}. Say `segment:{fits}`."
            )));
        }
        let snapshot = self.live.get(cx.ports()).await?;
        if let Some(other) = snapshot.segments.values().find(|other| other.name.eq_ignore_ascii_case(&name)) {
            return Err(Stop::refuse(format!(
                "There is a segment `{0}` already, so none was made. `/segment show {0}` shows it.",
                other.name
            )));
        }
        let when = when.unwrap_or_default();
        let constraints =
            constraint::read(&when).map_err(|wrong| Stop::refuse(format!("{wrong} No segment was made.")))?;
        let act = Act {
            verb: "flags.segment",
            object: format!("segment {name}"),
            says: format!("Make the segment `{name}`."),
            facts: vec![("segment", name.clone()), ("when", when)],
            ..Act::default()
        };
        let says: Vec<_> = constraints.iter().map(words::constraint).collect();
        let reply =
            Reply::card(Tone::Good, format!("Segment {name}"), format!("Those {} are in it.", says.join(" and ")));
        let reply = cx
            .act(act, async |permit| {
                // The act's number is nobody else's. Two segments of one name at one moment are told apart by it as well.
                let number = i32::try_from(permit.act()).map_err(anyhow::Error::from)?;
                put_segment(permit, number, Some(&Segment { name: name.clone(), constraints }))?;
                let undo = format!("segment remove segment:{name} number:{number}");
                permit.undo(Some(undo.clone()));
                let reply = reply.button(Button::new("Undo", undo));
                self.announce(cx, permit, None, &reply.clone().field("By", text::plain(cx.who())))?;
                Ok(reply)
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(reply)
    }

    pub(super) async fn segment_show(&self, cx: &Cx) -> Result<Reply> {
        let Said { segment, .. } = cx.args()?;
        let (number, segment) = self.segment(cx, &segment).await?;
        let says: Vec<_> = segment.constraints.iter().map(words::constraint).collect();
        let says = match says.is_empty() {
            true => "Everybody is in it.".to_owned(),
            false => format!("Those {} are in it.", says.join(" and ")),
        };
        let users = self.users_of(cx, number).await?;
        let users = if users.is_empty() { "no flag".to_owned() } else { text::cut(&users.join(", "), 400) };
        Ok(Reply::card(Tone::Plain, format!("Segment {}", segment.name), says).field("Used by", users))
    }

    pub(super) async fn segment_list(&self, cx: &Cx) -> Result<Reply> {
        let snapshot = self.live.get(cx.ports()).await?;
        if snapshot.segments.is_empty() {
            return Ok(Reply::say(format!(
                "There are no segments yet. `/segment create beta when:\"plan = beta\"` makes one, with conditions such as {}.",
                constraint::EXAMPLE
            )));
        }
        let row = |segment: &Segment| {
            let says: Vec<_> = segment.constraints.iter().map(words::constraint).collect();
            [segment.name.clone(), text::cut(&says.join(" and "), 120)]
        };
        let rows = snapshot.segments.values().take(50).map(row).collect();
        Ok(Reply::card(Tone::Plain, text::plural(snapshot.segments.len(), "segment"), "")
            .table(["Segment", "Those"], rows))
    }

    pub(super) async fn segment_remove(&self, cx: &Cx) -> Result<Reply> {
        let Said { segment, number: only, .. } = cx.args()?;
        let (number, segment) = self.segment(cx, &segment).await?;
        if only.is_some_and(|only| only != number) {
            return Err(Stop::refuse(format!(
                "`{0}` was made anew since, by #{number}, so it was not removed. `/segment show {0}` shows it.",
                segment.name
            )));
        }
        // Whoever makes a flag use it at this very moment is first, or is told that it is gone.
        let model = cx.store().get(MARK).await?.map_or(0, |record| record.version);
        let users = self.users_of(cx, number).await?;
        if !users.is_empty() {
            return Err(Stop::refuse(format!(
                "`{}` is used by {}, so it was not removed. Take it out first: `/flag set … segment:none`.",
                segment.name,
                text::cut(&users.join(", "), 300)
            )));
        }
        let key = SEGMENTS.key(segment_name(number));
        let version = cx.store().get(&key).await?.map_or(0, |record| record.version);
        let act = Act {
            verb: "flags.segment-remove",
            object: format!("segment {}", segment.name),
            says: format!("Remove the segment `{}`.", segment.name),
            facts: vec![("segment", segment.name.clone())],
            ..Act::default()
        };
        cx.act(act, async |permit| {
            permit.expect(key, version);
            permit.expect(MARK, model);
            Ok(put_segment(permit, number, None)?)
        })
        .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(Reply::say(format!("The segment `{}` is gone. No flag used it.", segment.name)))
    }

    /// The records of the segments that a flag is to go by, and their versions.
    ///
    /// # Errors
    /// A refusal where one is gone: it was removed since the flag stood like that.
    pub(super) async fn segments_of(&self, cx: &Cx, target: &Target, after: &State) -> Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for number in after.segments() {
            let key = SEGMENTS.key(segment_name(number));
            match cx.store().get(&key).await? {
                Some(record) => found.push((key, record.version)),
                // Off is the way out, whatever it once was on for.
                None if !after.on => {}
                None => {
                    let Target { found, environment, .. } = target;
                    return Err(Stop::refuse(format!(
                        "`{0}` would go by segment {number} in `{environment}` then, which was removed. Nothing was changed. `/flag set flag:{0} env:{environment} segment:none` lets it go without, or name another.",
                        found.key
                    )));
                }
            }
        }
        Ok(found)
    }

    async fn segment(&self, cx: &Cx, name: &str) -> Result<(i32, Segment)> {
        let snapshot = self.live.get(cx.ports()).await?;
        let found = snapshot.segments.iter().find(|(_, segment)| segment.name.eq_ignore_ascii_case(name));
        if let Some((number, segment)) = found {
            return Ok((*number, segment.clone()));
        }
        let near = config::suggest::suggest(name, snapshot.segments.values().map(|segment| segment.name.as_str()));
        let instead =
            near.map_or_else(|| "`/segment list` shows all.".to_owned(), |near| format!("Did you mean `{near}`?"));
        Err(Stop::refuse(format!("There is no segment {}. {instead}", text::code(&text::cut(name, 60)))))
    }

    /// Which flags use a segment, and where; those that go back by themselves to how they used it, too.
    async fn users_of(&self, cx: &Cx, number: i32) -> anyhow::Result<Vec<String>> {
        let uses = |state: &State| state.segments().any(|other| other == number);
        let mut users = BTreeSet::new();
        for (name, Versioned { value: it, .. }) in SETTINGS.scan(cx.store(), "", usize::MAX).await? {
            let goes_back = it.until.is_some() && it.before.as_ref().is_some_and(uses);
            users.extend((uses(&it.state) || goes_back).then_some(name));
        }
        for (name, rollout) in ROLLOUTS.scan(cx.store(), "", usize::MAX).await? {
            users.extend(uses(&rollout.value.before).then_some(name));
        }
        let name = |name: String| name.split_once('/').map(|(env, key)| format!("`{key}` in `{env}`")).unwrap_or(name);
        Ok(users.into_iter().map(name).collect())
    }
}
