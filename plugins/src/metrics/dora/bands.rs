//! What others are like: the steps of DORA's survey, and what its reports found each year.
//!
//! The steps are those of the answers in DORA's own survey (dora-team/dora.dev, `metrics_question_responses.json`,
//! Apache-2.0). The clusters are what teams of a year had in the middle, not thresholds; their number and their names changed
//! from year to year, so that a name says nothing without its year. From 2025 on there are none.

/// A step of the survey, from 1 (the slowest) to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub number: u8,
    /// The answer's words.
    pub words: &'static str,
}

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// Of the year that has 365.25 days.
const MONTH: f64 = 30.4375 * DAY;

/// The steps of lead time and recovery, each up to so many seconds.
const SPANS: [(f64, &str); 6] = [
    (HOUR, "less than an hour"),
    (DAY, "less than a day"),
    (7.0 * DAY, "a day to a week"),
    (MONTH, "a week to a month"),
    (6.0 * MONTH, "one to six months"),
    (f64::INFINITY, "more than six months"),
];

/// The step of a lead time or a recovery that took so many seconds.
pub fn of_span(seconds: f64) -> Step {
    let at = SPANS.iter().position(|(up_to, _)| seconds < *up_to).unwrap_or(SPANS.len() - 1);
    Step { number: (SPANS.len() - at) as u8, words: SPANS[at].1 }
}

/// The step of a frequency: on how many days of a week in the middle, how many times on such a day in the middle, and one day
/// with a deployment in how many days. On five days of a week is every working day.
pub fn of_frequency(a_week: f64, a_day: f64, one_in: f64) -> Step {
    let (number, words) = match a_week {
        days if days >= 5.0 && a_day > 1.0 => (6, "on demand, several times a day"),
        days if days >= 5.0 => (5, "once an hour to once a day"),
        days if days >= 1.0 || one_in < 7.0 => (4, "once a day to once a week"),
        _ if one_in * DAY <= MONTH => (3, "once a week to once a month"),
        _ if one_in * DAY <= 6.0 * MONTH => (2, "once a month to once in six months"),
        _ => (1, "less than once in six months"),
    };
    Step { number, words }
}

/// A cluster of a year: its name, and its middle of deployment frequency, lead time, recovery, and change fail rate.
pub type Cluster = [&'static str; 5];

/// What a year's report found.
pub struct Year {
    /// The year.
    pub year: &'static str,
    /// The best first.
    pub clusters: &'static [Cluster],
    /// Where it stands.
    pub source: &'static str,
}

/// The years, as arguments.
pub const YEARS: [&str; 7] = ["2024", "2023", "2022", "2021", "2019", "2018", "2016"];

/// Every year that is known.
pub static REPORTS: [Year; 7] = [
    Year {
        year: "2024",
        clusters: &[
            ["Elite", "on demand", "< 1 day", "< 1 hour", "5 %"],
            ["High", "1/day to 1/week", "1 day to 1 week", "< 1 day", "20 %"],
            ["Medium", "1/week to 1/month", "1 week to 1 month", "< 1 day", "10 %"],
            ["Low", "1/month to 1/6 months", "1 to 6 months", "1 week to 1 month", "40 %"],
        ],
        source: "Octopus Deploy's copy, November 2024",
    },
    Year {
        year: "2023",
        clusters: &[
            ["Elite", "on demand", "< 1 day", "< 1 hour", "5 %"],
            ["High", "1/day to 1/week", "1 day to 1 week", "< 1 day", "10 %"],
            ["Medium", "1/week to 1/month", "1 week to 1 month", "< 1 day", "15 %"],
            ["Low", "1/week to 1/month", "1 week to 1 month", "1 to 6 months", "64 %"],
        ],
        source: "DORA's infographic (Elite), else Octopus Deploy's copy",
    },
    Year {
        year: "2022",
        clusters: &[
            ["High", "on demand", "1 day to 1 week", "< 1 day", "0 to 15 %"],
            ["Medium", "1/week to 1/month", "1 week to 1 month", "1 day to 1 week", "16 to 30 %"],
            ["Low", "1/month to 1/6 months", "1 to 6 months", "1 week to 1 month", "46 to 60 %"],
        ],
        source: "Octopus Deploy's copy, October 2023",
    },
    Year {
        year: "2021",
        clusters: &[
            ["Elite", "on demand", "< 1 hour", "< 1 hour", "0 to 15 %"],
            ["High", "1/week to 1/month", "1 day to 1 week", "< 1 day", "16 to 30 %"],
            ["Medium", "1/month to 1/6 months", "1 to 6 months", "1 day to 1 week", "16 to 30 %"],
            ["Low", "< 1/6 months", "> 6 months", "> 6 months", "16 to 30 %"],
        ],
        source: "the report, pages 9 and 11",
    },
    Year {
        year: "2019",
        clusters: &[
            ["Elite", "on demand", "< 1 day", "< 1 hour", "0 to 15 %"],
            ["High", "1/day to 1/week", "1 day to 1 week", "< 1 day", "0 to 15 %"],
            ["Medium", "1/week to 1/month", "1 week to 1 month", "< 1 day", "0 to 15 %"],
            ["Low", "1/month to 1/6 months", "1 to 6 months", "1 week to 1 month", "46 to 60 %"],
        ],
        source: "the report, page 18",
    },
    Year {
        year: "2018",
        clusters: &[
            ["Elite", "on demand", "< 1 hour", "< 1 hour", "0 to 15 %"],
            ["High", "1/hour to 1/day", "1 day to 1 week", "< 1 day", "0 to 15 %"],
            ["Medium", "1/week to 1/month", "1 week to 1 month", "< 1 day", "0 to 15 %"],
            ["Low", "1/week to 1/month", "1 to 6 months", "1 week to 1 month", "46 to 60 %"],
        ],
        source: "the report, page 15",
    },
    Year {
        year: "2016",
        clusters: &[
            ["High", "on demand", "< 1 hour", "< 1 hour", "0 to 15 %"],
            ["Medium", "1/week to 1/month", "1 week to 1 month", "< 1 day", "31 to 45 %"],
            ["Low", "1/month to 1/6 months", "1 to 6 months", "< 1 day", "16 to 30 %"],
        ],
        source: "the report, page 15",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_on_the_step_that_the_survey_has_for_it() {
        for (seconds, number) in [
            (0.0, 6),
            (3_599.0, 6),
            (3_600.0, 5),
            (86_399.0, 5),
            (86_400.0, 4),
            (7.0 * 86_400.0, 3),
            (31.0 * 86_400.0, 2),
            (183.0 * 86_400.0, 1),
        ] {
            assert_eq!(of_span(seconds).number, number, "{seconds}");
        }
    }

    #[test]
    fn a_frequency_goes_by_weeks_and_else_by_days() {
        for (a_week, a_day, one_in, number) in [
            (5.0, 1.5, 1.4, 6),
            (7.0, 1.0, 1.0, 5),
            (1.0, 9.0, 7.0, 4),
            (0.0, 1.0, 4.5, 4),
            (0.5, 1.0, 14.0, 3),
            (0.0, 1.0, 45.0, 2),
            (0.0, 1.0, 200.0, 1),
        ] {
            assert_eq!(of_frequency(a_week, a_day, one_in).number, number, "{a_week} {a_day} {one_in}");
        }
    }

    #[test]
    fn every_year_can_be_asked_for() {
        assert_eq!(REPORTS.each_ref().map(|report| report.year), YEARS);
    }
}
