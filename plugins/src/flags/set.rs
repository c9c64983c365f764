//! Whom a flag is on for, said in chat: a share of those who meet conditions, and what variants they get.

use super::change::Wish;
use super::model::{State, gradual, sticky_by, wrong_with_key};
use super::{Flags, constraint, toggle};
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use unleash_types::client_features::{Payload, Strategy, Variant, WeightType};

/// What takes away what was set before.
const NONE: &str = "none";

/// What all weights come to, as Unleash has it.
const WHOLE: i32 = 1000;

/// How many variants a flag has at the most.
const MOST: usize = 30;

#[derive(Deserialize)]
struct Said {
    flag: String,
    env: String,
    percent: Option<f64>,
    when: Option<String>,
    segment: Option<String>,
    variants: Option<String>,
    sticky: Option<String>,
    because: Option<String>,
}

impl Flags {
    pub(super) async fn set(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let Said { percent, when, segment, variants, sticky, because, .. } = said;
        if percent.is_none() && [&when, &segment, &variants, &sticky].into_iter().all(Option::is_none) {
            return Err(Stop::refuse(format!(
                "It is not said what to set, so nothing was changed. Add `percent:25`, `when:\"country in kr,jp\"`, `segment:…`, `variants:red=50,blue=50` or `sticky:userId`; `/flag show {}` shows how it stands.",
                target.found.key
            )));
        }
        let key = &target.found.key;
        let before = &target.setting.state;
        let mut strategy = before.only(key).unwrap_or_else(|| gradual(key, 100));
        if let Some(percent) = percent {
            let whole = toggle::whole(percent, key, &target.environment)?;
            parameter(&mut strategy, "rollout", &whole.to_string());
        }
        if let Some(sticky) = sticky {
            parameter(&mut strategy, "stickiness", stickiness(&sticky).map_err(unchanged)?);
        }
        if let Some(when) = when {
            strategy.constraints = if when == NONE { None } else { Some(constraint::read(&when).map_err(unchanged)?) };
        }
        if let Some(names) = segment {
            strategy.segments = if names == NONE { None } else { Some(self.segments_named(cx, &names).await?) };
        }
        let mut variants = match variants.as_deref() {
            None => before.variants.clone(),
            Some(NONE) => Vec::new(),
            Some(said) => read_variants(said).map_err(unchanged)?,
        };
        // Who is told apart by something for the share is told apart by the same for the variants.
        let by = sticky_by(&strategy).to_owned();
        variants.iter_mut().for_each(|variant| variant.stickiness = Some(by.clone()));
        let after = State { on: before.on, strategies: vec![strategy], variants };
        let because = because.unwrap_or_default();
        self.change(cx, &target, Wish { verb: "flags.set", after, because, ..Wish::default() }).await
    }

    /// The numbers of segments by their names.
    async fn segments_named(&self, cx: &Cx, names: &str) -> Result<Vec<i32>> {
        let snapshot = self.live.get(cx.ports()).await?;
        let mut numbers = Vec::new();
        for name in super::life::words(Some(names)) {
            let found = snapshot.segments.iter().find(|(_, segment)| segment.name.eq_ignore_ascii_case(&name));
            let Some((number, _)) = found else {
                let near =
                    config::suggest::suggest(&name, snapshot.segments.values().map(|segment| segment.name.as_str()));
                let instead = match near {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => "`/segment list` shows all; `/segment create` makes one.".to_owned(),
                };
                return Err(Stop::refuse(format!(
                    "There is no segment {}. {instead}",
                    text::code(&text::cut(&name, 60))
                )));
            };
            numbers.push(*number);
        }
        Ok(numbers)
    }
}

fn unchanged(wrong: String) -> Stop {
    Stop::refuse(format!("{wrong} Nothing was changed."))
}

/// What people are told apart by, as the engine calls it.
fn stickiness(said: &str) -> Result<&str, String> {
    match said {
        "user" => Ok("userId"),
        "session" => Ok("sessionId"),
        "ip" => Ok("remoteAddress"),
        name if wrong_with_key(name).is_none() => Ok(name),
        name => Err(format!(
            "{} is no name of a property. Write `sticky:user`, `sticky:session`, `sticky:random`, `sticky:default`, or a property that applications send.",
            text::code(&text::cut(name, 40))
        )),
    }
}

fn parameter(strategy: &mut Strategy, name: &str, value: &str) {
    strategy.parameters.get_or_insert_default().insert(name.to_owned(), value.to_owned());
}

/// Reads `red=50,blue=50`, or `red=50:#f00` with a value, sorted by name: that order decides who gets which.
fn read_variants(said: &str) -> Result<Vec<Variant>, String> {
    let mut variants = Vec::new();
    let mut shares = Vec::new();
    for word in super::life::words(Some(said)) {
        let shown = text::code(&text::cut(&word, 40));
        let wrong = || {
            format!(
                "{shown} is no variant. Write a name and its share in percent, as in `variants:red=50,blue=50`, or with a value, `red=50:#f00`."
            )
        };
        let (name, rest) = word.split_once('=').ok_or_else(wrong)?;
        let (share, value) = rest.split_once(':').map_or((rest, None), |(share, value)| (share, Some(value)));
        let share: f64 = share.trim_end_matches('%').parse().map_err(|_| wrong())?;
        if wrong_with_key(name).is_some() || !(0.0..=100.0).contains(&share) {
            return Err(wrong());
        }
        shares.push(share);
        variants.push(Variant {
            name: name.to_owned(),
            weight: (share * f64::from(WHOLE) / 100.0).round() as i32,
            weight_type: Some(WeightType::Fix),
            stickiness: Some("default".to_owned()),
            payload: value.map(|value| Payload { payload_type: "string".to_owned(), value: value.to_owned() }),
            overrides: None,
        });
    }
    let whole: f64 = shares.iter().sum();
    if (whole - 100.0).abs() > 0.05 * shares.len() as f64
        || variants.iter().map(|it| it.weight).sum::<i32>() > WHOLE + MOST as i32
    {
        return Err(format!("The shares of the variants come to {whole} %. Make them 100 % together."));
    }
    if variants.len() > MOST {
        return Err(format!("These are {} variants, and {MOST} is the most.", variants.len()));
    }
    variants.sort_by(|left, right| left.name.cmp(&right.name));
    match variants.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(format!("`{}` stands there twice.", pair[0].name)),
        None => Ok(variants),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_read_sorted_or_it_is_told_what_to_write() {
        for (said, read_as) in [
            ("red=50,blue=50", "blue 500, red 500"),
            ("red=33.3%,blue=33.3%,green=33.4", "blue 333, green 334, red 333"),
            ("red=100:#f00", "red 1000 #f00"),
            ("red", "`red` is no variant"),
            ("red=half", "`red=half` is no variant"),
            ("r d=100", "is no variant"),
            ("red=50", "come to 50 %"),
            ("red=-50,blue=150", "is no variant"),
            ("red=50,red=50", "`red` stands there twice"),
            ("red=NaN", "is no variant"),
        ] {
            let found = read_variants(said).map(|found| {
                let word = |it: &Variant| {
                    let value = it.payload.as_ref().map(|payload| format!(" {}", payload.value)).unwrap_or_default();
                    format!("{} {}{value}", it.name, it.weight)
                };
                found.iter().map(word).collect::<Vec<_>>().join(", ")
            });
            let found = found.unwrap_or_else(|wrong| wrong);
            assert!(found.contains(read_as), "{said}\n{found}");
        }
    }
}
