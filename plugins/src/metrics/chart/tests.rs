//! The drawing, letter by letter; the picture, by its size.

use super::*;
use crate::metrics::series::Point;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_701_200 + 60 * minute, 0).unwrap()
}

fn line(name: &str, faint: bool, value: impl Fn(i64) -> f64) -> Line {
    let points = (0..360).map(|minute| Point { at: at(minute), value: value(minute) });
    let points = points.filter(|point| point.value != -1.0).collect();
    Line { series: Series { name: name.to_owned(), points }, faint }
}

fn mark(minute: i64, says: &str) -> Mark {
    Mark { at: at(minute), says: says.to_owned() }
}

/// Something that goes up and down without chance.
fn wave(minute: i64, long: f64) -> f64 {
    (minute as f64 / long).sin() + 0.3 * (minute as f64 * 1.7).sin()
}

/// What pictures have to show: each is looked at, and then kept as it was drawn.
fn charts() -> Vec<(&'static str, Chart)> {
    let limits = Limits { better: Better::Lower, warn: Some(0.3), bad: Some(0.4) };
    let latency = Chart {
        title: "checkout-latency in production".to_owned(),
        span: at(0)..at(360),
        zone: Tz::UTC,
        lines: vec![
            line("checkout-latency", false, |minute| match minute {
                200..=215 => -1.0,
                minute if minute >= 150 => 0.33 + 0.02 * wave(minute, 20.0) + if minute == 303 { 0.1 } else { 0.0 },
                minute => 0.14 + 0.02 * wave(minute, 20.0),
            }),
            line("checkout-latency, yesterday", true, |minute| 0.13 + 0.02 * wave(minute + 9, 25.0)),
        ],
        step: TimeDelta::minutes(1),
        unit: Unit::of("s"),
        limits,
        marks: vec![
            mark(60, "#410 lock.take hello in production"),
            mark(150, "#412 deploy.ship hello v2 (3f2c1ab)"),
            mark(154, "#413 lock.release hello in production"),
        ],
        theme: Theme::Light,
    };
    let five = Chart {
        title: "응답 시간, 서비스별 <b>&amp;</b>".to_owned(),
        zone: Tz::Asia__Seoul,
        lines: (1..=5)
            .map(|number| {
                line(&format!("instance=\"web{number}\", 서버=\"결제\""), false, |minute| {
                    f64::from(number as i32) * 900.0 + 300.0 * wave(minute + 31 * number, 40.0)
                })
            })
            .collect(),
        unit: Unit::of("req/s"),
        limits: Limits { better: Better::Higher, warn: None, bad: Some(800.0) },
        marks: (0..12).map(|number| mark(30 * number + 5, "#7 deploy.ship hello v2")).collect(),
        theme: Theme::Dark,
        ..latency.clone()
    };
    let nothing =
        Chart { lines: vec![line("", false, |_| f64::NAN)], unit: Unit::of("%"), marks: Vec::new(), ..latency.clone() };
    let flat = Chart { lines: vec![line("flat", false, |_| 0.2)], marks: Vec::new(), ..latency.clone() };
    vec![("latency", latency), ("five", five), ("nothing", nothing), ("flat", flat)]
}

#[test]
fn each_is_drawn_as_it_was_looked_at() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics/chart/golden");
    for (name, chart) in charts() {
        let (file, drawn) = (folder.join(format!("{name}.svg")), svg(&chart));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &drawn).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(kept == drawn, "{name}.svg is drawn otherwise now: `UPDATE=1 cargo test -p plugins chart` writes it");
        let png = png(&chart).unwrap();
        assert!(png.starts_with(b"\x89PNG") && (4_000..200_000).contains(&png.len()), "{name}: {} bytes", png.len());
        if let Some(to) = std::env::var_os("PICTURES") {
            std::fs::write(std::path::Path::new(&to).join(format!("{name}.png")), png).unwrap();
        }
    }
}

#[test]
fn nothing_that_anybody_writes_breaks_a_drawing() {
    let (_, mut chart) = charts().remove(0);
    for text in ["</text><script>", "&#0;", "\u{202e}\0\u{1b}[31m\n", "\u{ffff}]]>", &"x".repeat(100_000)] {
        chart.title = text.to_owned();
        chart.lines[0].series.name = text.to_owned();
        chart.marks[0].says = text.to_owned();
        assert!(png(&chart).is_ok(), "{text:.40}");
    }
    for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0, 1e-300, 1e15] {
        chart.lines = vec![line("odd", false, |minute| if minute % 2 == 0 { value } else { -value / 3.0 })];
        assert!(png(&chart).is_ok() && !svg(&chart).contains("NaN") && !svg(&chart).contains("inf"), "{value}");
    }
}
