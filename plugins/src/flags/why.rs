//! Why a flag is on or off for somebody: what the engine says, asked part by part.

use super::change::Found;
use super::model::{self, SETTINGS, Setting, setting_name};
use super::snapshot::{self, ALL, Snapshot};
use super::{Flags, words};
use commands::cx::Cx;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use std::collections::HashMap;
use unleash_types::client_features::{ClientFeature, Constraint, Context, Strategy};

/// How many properties are taken.
const MOST: usize = 50;

#[derive(Deserialize)]
struct Said {
    flag: String,
    env: Option<String>,
    user: Option<String>,
    session: Option<String>,
    with: Option<String>,
}

/// What is asked about, in one environment.
struct Asked<'a> {
    key: &'a str,
    context: &'a Context,
    snapshot: &'a Snapshot,
}

impl Flags {
    pub(super) async fn why(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let found = self.find(cx, &said.flag).await?;
        let snapshot = self.live.get(cx.ports()).await?;
        let all = &cx.ports().vocabulary.environments;
        let environments = said.env.as_ref().map_or_else(|| all.clone(), |env| vec![env.clone()]);
        let mut context = context(&said)?;
        let mut reply = Reply::card(Tone::Plain, format!("Flag {}", found.key), whom(&context));
        let now = || cx.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        context.current_time.get_or_insert_with(now);
        for environment in environments {
            let Some(served) = snapshot.served(&environment, ALL) else { continue };
            let setting = SETTINGS.get(cx.store(), setting_name(&environment, &found.key)).await?;
            let setting = setting.map(|setting| setting.value).unwrap_or_default();
            let context = Context { environment: Some(environment.clone()), ..context.clone() };
            let Some(resolved) = served.resolve(&found.key, &context) else { continue };
            let is = match (resolved.enabled, resolved.variant.enabled) {
                (false, _) => "off".to_owned(),
                (true, false) => "on".to_owned(),
                (true, true) => format!("on, variant {}", text::plain(&resolved.variant.name)),
            };
            let asked = Asked { key: &found.key, context: &context, snapshot: &snapshot };
            for line in asked.lines(&found, &setting, served) {
                reply.output += &format!("{environment}: {line}\n");
            }
            reply = reply.field(environment, is);
        }
        Ok(reply)
    }
}

impl Asked<'_> {
    /// What comes together to the answer, a line each.
    fn lines(&self, found: &Found, setting: &Setting, served: &snapshot::Served) -> Vec<String> {
        if !setting.state.on {
            return vec!["it is off here for everybody".to_owned()];
        }
        let mut lines = vec![format!("it is {} here", words::state(&setting.state, self.snapshot))];
        for need in &found.flag.needs {
            let on = served.resolve(&need.feature, self.context).is_some_and(|parent| parent.enabled);
            let is = if on { "on" } else { "off" };
            let met = if on == need.enabled.unwrap_or(true) { "yes" } else { "no" };
            lines.push(format!("{met}: it needs {}, which is {is} for them", text::line(&need.feature)));
        }
        let count = setting.state.strategies.len();
        for (at, strategy) in setting.state.strategies.iter().enumerate() {
            let number = if count > 1 { format!("{}. ", at + 1) } else { String::new() };
            let lets_in = if self.lets_in(strategy.clone()) { "yes" } else { "no" };
            lines.push(format!("{lets_in}: {number}{}", words::strategy(strategy, self.snapshot)));
            lines.extend(self.parts(strategy));
        }
        lines
    }

    /// The conditions of a strategy, and the share, each by itself.
    fn parts(&self, strategy: &Strategy) -> Vec<String> {
        let mut lines = Vec::new();
        let segments = strategy.segments.iter().flatten().filter_map(|number| self.snapshot.segments.get(number));
        let constraints =
            segments.flat_map(|segment| &segment.constraints).chain(strategy.constraints.iter().flatten());
        for constraint in constraints {
            let alone = Strategy { constraints: Some(vec![constraint.clone()]), ..everybody() };
            let met = if self.lets_in(alone) { "yes" } else { "no" };
            lines.push(format!("  {met}: {}; theirs is {}", words::constraint(constraint), self.theirs(constraint)));
        }
        if let Some(share) = model::share(strategy).filter(|share| *share < 100) {
            let by = strategy.parameters.as_ref().and_then(|parameters| parameters.get("stickiness"));
            let nobody = self.context.user_id.is_none() && self.context.session_id.is_none();
            let drawn = by.is_some_and(|by| by == "random") || nobody && by.is_none_or(|by| by == "default");
            let alone = Strategy { constraints: None, segments: None, ..strategy.clone() };
            lines.push(match (drawn, self.lets_in(alone)) {
                (true, _) => {
                    format!("  by chance: {share} % of the times, drawn anew each time for who is nobody in particular")
                }
                (false, true) => format!("  yes: they are among the {share} %"),
                (false, false) => format!("  no: they are not among the {share} %"),
            });
        }
        lines
    }

    /// Whether this strategy alone would let them in.
    fn lets_in(&self, strategy: Strategy) -> bool {
        let feature = ClientFeature {
            name: self.key.to_owned(),
            enabled: true,
            strategies: Some(vec![strategy]),
            ..ClientFeature::default()
        };
        let engine = snapshot::compiled(vec![feature], &self.snapshot.segments);
        engine.is_enabled(self.key, self.context, &None)
    }

    /// What they have of the property that a constraint looks at.
    fn theirs(&self, constraint: &Constraint) -> String {
        let Context { user_id, session_id, environment, app_name, current_time, remote_address, properties } =
            self.context;
        let found = match constraint.context_name.as_str() {
            "userId" => user_id.as_ref(),
            "sessionId" => session_id.as_ref(),
            "environment" => environment.as_ref(),
            "appName" => app_name.as_ref(),
            "currentTime" => current_time.as_ref(),
            "remoteAddress" => remote_address.as_ref(),
            name => properties.as_ref().and_then(|properties| properties.get(name)),
        };
        found.map_or_else(|| "not known".to_owned(), |value| text::cut(&text::line(value), 60))
    }
}

fn everybody() -> Strategy {
    Strategy {
        name: "default".to_owned(),
        sort_order: None,
        segments: None,
        constraints: None,
        parameters: None,
        variants: None,
    }
}

/// Whom it is asked for, as an application would say.
fn context(said: &Said) -> Result<Context> {
    let mut context = Context {
        user_id: said.user.clone(),
        session_id: said.session.clone(),
        environment: None,
        app_name: None,
        current_time: None,
        remote_address: None,
        properties: None,
    };
    let mut properties = HashMap::new();
    for word in super::life::words(said.with.as_deref()) {
        let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
            let shown = text::code(&text::cut(&word, 60));
            return Err(Stop::refuse(format!(
                "{shown} is no property. Write a name and a value, with commas between, as in `with:country=kr,plan=pro`."
            )));
        };
        let value = value.trim().to_owned();
        match name.trim() {
            "userId" | "user" => context.user_id = Some(value),
            "sessionId" | "session" => context.session_id = Some(value),
            "appName" | "app" => context.app_name = Some(value),
            "remoteAddress" | "ip" => context.remote_address = Some(value),
            "currentTime" => context.current_time = Some(value),
            name => _ = properties.insert(name.to_owned(), value),
        }
    }
    if properties.len() > MOST {
        return Err(Stop::refuse(format!("These are {} properties, and {MOST} is the most.", properties.len())));
    }
    context.properties = (!properties.is_empty()).then_some(properties);
    Ok(context)
}

fn whom(context: &Context) -> String {
    let mut known: Vec<_> =
        context.properties.iter().flatten().map(|(name, value)| format!("{name} {value}")).collect();
    known.sort();
    let named = [
        ("user", &context.user_id),
        ("session", &context.session_id),
        ("app", &context.app_name),
        ("address", &context.remote_address),
        ("time", &context.current_time),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    let known: Vec<_> = named.chain(known).map(|it| text::plain(&it)).collect();
    match known.is_empty() {
        true => "For somebody of whom nothing is known.".to_owned(),
        false => format!("For {}.", text::cut(&known.join(", "), 200)),
    }
}
