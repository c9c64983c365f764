//! What speaks against a rollout: checks, alerts and measures of its flag's service, looked at all the time. What is not known
//! to be well is not.

use commands::cx::Ports;
use commands::offer::{Better, Measure, before};
use commands::text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The least share, in percent, of what should always be so.
const WELL: f64 = 99.0;

/// How far back a measure is looked for before a rollout begins.
const RECENT: Duration = Duration::from_secs(3600);

/// How many things a rollout may be held by.
const MOST: usize = 10;

/// Something that a rollout is held by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watched {
    /// Checks of the service that are not well.
    Checks,
    /// An alert about the service that fires, and that nobody has silenced.
    Alerts,
    /// A measure that is past a limit.
    Measure {
        /// What the measure is called.
        name: String,
        /// Whether it is well below the limit; above it otherwise.
        below: bool,
        /// The limit, in its unit.
        limit: f64,
    },
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Watched::Checks => f.write_str("checks"),
            Watched::Alerts => f.write_str("alerts"),
            Watched::Measure { name, below, limit } => {
                write!(f, "{} {} {limit}", text::plain(name), if *below { "<" } else { ">" })
            }
        }
    }
}

/// Reads `checks,alerts,errors < 1`: what has to be so for a rollout to go on.
///
/// # Errors
/// A sentence that says what is wrong, and what to write instead.
pub fn read(said: &str) -> Result<Vec<Watched>, String> {
    let words: Vec<_> = said.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() > MOST {
        return Err(format!("Name 1 to {MOST} things, as in `hold-on:\"checks,errors < 1\"`."));
    }
    words.into_iter().map(one).collect()
}

fn one(word: &str) -> Result<Watched, String> {
    let wrong = || {
        format!(
            "{} is nothing that a rollout can watch. Write `checks`, `alerts`, or a measure and its limit, as in `hold-on:\"checks,errors < 1\"`.",
            text::code(&text::cut(word, 40))
        )
    };
    match word {
        "check" | "checks" => return Ok(Watched::Checks),
        "alert" | "alerts" => return Ok(Watched::Alerts),
        _ => {}
    }
    let at = word.find(['<', '>']).ok_or_else(wrong)?;
    let (name, limit) = (word[..at].trim(), word[at + 1..].trim_start_matches('='));
    // The unit may stand behind the number, as it does where the measure is shown.
    let digits = limit.trim().trim_end_matches(|c: char| !c.is_ascii_digit()).trim();
    let limit = digits.parse::<f64>().ok().filter(|limit| limit.is_finite()).ok_or_else(wrong)?;
    if name.is_empty() {
        return Err(wrong());
    }
    Ok(Watched::Measure { name: name.to_owned(), below: word.as_bytes()[at] == b'<', limit })
}

/// Where and when a rollout is looked at.
pub struct Look<'a> {
    /// The flag's service.
    pub service: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// How far back.
    pub span: Duration,
    /// Whether a step is due: then what was not measured speaks against it, too.
    pub is_due: bool,
}

/// What speaks against going on, in words; nothing where all that is watched is well.
pub async fn amiss(ports: &Ports, watched: &[Watched], look: &Look<'_>) -> Option<String> {
    let span = before(ports.clock.now(), look.span);
    let measures = match ports.offered.measures(ports, look.service, look.environment, span).await {
        Ok(measures) => measures,
        Err(_) if !look.is_due => return None,
        Err(error) => return Some(format!("the measures of `{}` can not be asked: {error:#}", look.service)),
    };
    for it in watched {
        let found = match it {
            Watched::Checks => checks(&measures, look),
            Watched::Alerts => alerts(ports, look).await,
            Watched::Measure { name, below, limit } => measure(&measures, (name, *below, *limit), look),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What of it could never be looked at, in a sentence; nothing where all of it can.
pub async fn unknown(ports: &Ports, watched: &[Watched], service: &str, environment: &str) -> Option<String> {
    if watched.contains(&Watched::Alerts) && !ports.offered.takes_alerts() {
        return Some(
            "Nobody takes alerts in here, so none could hold it: the config has no section for them.".to_owned(),
        );
    }
    let mut names = Vec::new();
    for it in watched {
        if let Watched::Measure { name, .. } = it {
            names.push(name.as_str());
        }
    }
    if names.is_empty() {
        return None;
    }
    let span = before(ports.clock.now(), RECENT);
    let measures = match ports.offered.measures(ports, service, environment, span).await {
        Ok(measures) => measures,
        Err(error) => return Some(format!("The measures of `{service}` can not be asked: {error:#}.")),
    };
    let name = names.into_iter().find(|name| !measures.iter().any(|it| it.name.eq_ignore_ascii_case(name)))?;
    let known: Vec<_> = measures.iter().map(|it| &it.name).collect();
    let instead = match known.is_empty() {
        true => "Nothing was.".to_owned(),
        false => format!("It knows {}.", text::list(&known)),
    };
    Some(format!(
        "{} of `{service}` in `{environment}` was not measured within the last hour. {instead}",
        text::code(name)
    ))
}

fn checks(measures: &[Measure], look: &Look<'_>) -> Option<String> {
    let mut shares = measures.iter().filter(|it| it.better == Better::Higher && it.unit == "%").peekable();
    if shares.peek().is_none() {
        return look.is_due.then(|| {
            format!(
                "no check of `{}` in `{}` has measured anything since the last step",
                look.service, look.environment
            )
        });
    }
    shares.find(|share| share.value < WELL).map(|share| format!("{} was at {share} since the last step", share.name))
}

fn measure(measures: &[Measure], (name, below, limit): (&str, bool, f64), look: &Look<'_>) -> Option<String> {
    let Some(found) = measures.iter().find(|it| it.name.eq_ignore_ascii_case(name)) else {
        return look.is_due.then(|| format!("`{}` was not measured since the last step", text::plain(name)));
    };
    let well = if below { found.value < limit } else { found.value > limit };
    let limit = Measure { value: limit, ..found.clone() };
    let past = if below { "not below" } else { "not above" };
    (!well).then(|| format!("{} was at {found} since the last step, {past} {limit}", text::plain(&found.name)))
}

async fn alerts(ports: &Ports, look: &Look<'_>) -> Option<String> {
    if !ports.offered.takes_alerts() {
        return look.is_due.then(|| "nobody takes alerts in any more".to_owned());
    }
    match ports.offered.alerts(ports, Some(look.service), Some(look.environment)).await {
        Err(error) => look.is_due.then(|| format!("the alerts can not be asked: {error:#}")),
        Ok(alerts) => {
            let firing = alerts.iter().find(|alert| alert.silenced.is_none())?;
            Some(format!("the alert {} fires", text::plain(&text::cut(&firing.name, 80))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_read_or_it_is_told_what_to_write() {
        for (said, read_as) in [
            ("checks", "checks"),
            ("alert, errors<2", "alerts; errors < 2"),
            ("errors < 1%", "errors < 1"),
            ("page: latency<250 ms,checks", "page: latency < 250; checks"),
            ("availability >= 99.5", "availability > 99.5"),
            ("errors", "`errors` is nothing that a rollout can watch"),
            ("errors < many", "is nothing that a rollout can watch"),
            ("< 1", "is nothing that a rollout can watch"),
            ("errors < NaN", "is nothing that a rollout can watch"),
            (",", "Name 1 to 10 things"),
        ] {
            let found = read(said).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
            let found = found.unwrap_or_else(|wrong| wrong);
            assert!(found.contains(read_as), "{said}\n{found}");
        }
    }

    #[test]
    fn what_is_past_its_limit_speaks_against_a_step_and_so_does_what_is_not_known() {
        let measured = |name: &str, value| Measure {
            name: name.to_owned(),
            unit: "%".to_owned(),
            better: Better::Higher,
            value,
            samples: 10,
            noise: 0.0,
        };
        let all = [measured("up", 100.0), measured("errors", 2.0)];
        for (said, due, says) in [
            (("errors", true, 3.0), true, None),
            (("Errors", true, 2.0), false, Some("errors was at 2% since the last step, not below 2%")),
            (("up", false, 99.0), true, None),
            (("up", false, 100.0), true, Some("up was at 100% since the last step, not above 100%")),
            (("latency", true, 1.0), false, None),
            (("latency", true, 1.0), true, Some("`latency` was not measured since the last step")),
        ] {
            let look = Look { service: "hello", environment: "staging", span: Duration::from_secs(60), is_due: due };
            assert_eq!(measure(&all, said, &look).as_deref(), says, "{said:?}");
        }
    }
}
