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
            mark(60, "#410 freeze.add checkout in production"),
            mark(150, "#412 deploy.ship hello v2 (3f2c1ab)"),
            mark(154, "#413 incidents.open nobody can pay"),
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
    // Nothing of what is not there is bad.
    let nothing = Chart {
        lines: vec![line("", false, |_| f64::NAN)],
        unit: Unit::of("%"),
        limits: Limits { better: Better::Higher, warn: None, bad: Some(95.0) },
        marks: Vec::new(),
        ..latency.clone()
    };
    // All of it needs a look.
    let limits = Limits { better: Better::Lower, warn: Some(0.1), bad: Some(0.3) };
    let flat = Chart { lines: vec![line("flat", false, |_| 0.2)], limits, marks: Vec::new(), ..latency.clone() };
    vec![("latency", latency), ("five", five), ("nothing", nothing), ("flat", flat)]
}

/// Several in one picture: a bright one of an odd number, a dark one in Korean, and one alone.
fn sheets() -> Vec<(&'static str, Sheet)> {
    let all = charts();
    let chart = |number: usize, title: &str| Chart {
        title: title.to_owned(),
        zone: Tz::UTC,
        theme: Theme::Light,
        ..all[number].1.clone()
    };
    let small = |unit: &str, title: &str, of: fn(i64) -> f64| Chart {
        lines: vec![line("it", false, of), line("it", true, |minute| 0.8 * wave(minute + 50, 60.0) + 4.0)],
        unit: Unit::of(unit),
        limits: Limits { better: Better::Higher, warn: None, bad: None },
        ..chart(0, title)
    };
    let said = |chart: Chart, comes_to: &str| (chart, comes_to.to_owned());
    let charts = vec![
        said(chart(0, "checkout-latency in production"), "232 ms, +66 %"),
        said(small("%", "cpu of web1", |minute| 5.0 + wave(minute, 30.0)), "5.02 %, +1 point"),
        said(small("orders/min", "orders", |minute| 4.0 + wave(minute, 90.0)), "4.01 orders/min, less than ±1 %"),
        said(chart(1, "requests by server"), "5 series"),
        said(chart(2, "nothing"), "no figures"),
    ];
    let bright = Sheet {
        title: "Measures, and the time before".to_owned(),
        span: at(0)..at(360),
        zone: Tz::UTC,
        charts,
        more: 3,
        theme: Theme::Light,
    };
    let dark = |(chart, says): &(Chart, String), title: &str| {
        (Chart { title: title.to_owned(), theme: Theme::Dark, zone: Tz::Asia__Seoul, ..chart.clone() }, says.clone())
    };
    let korean = ["결제 응답 시간", "CPU 사용률", "분당 주문 수 (모든 서비스의 합계이며 이름이 길다)", "서버별 요청"];
    let charts = bright.charts.iter().zip(korean).map(|(chart, title)| dark(chart, title)).collect();
    let dark = Sheet { charts, more: 0, zone: Tz::Asia__Seoul, theme: Theme::Dark, ..bright.clone() };
    let alone = Sheet { charts: vec![bright.charts[0].clone()], more: 0, ..bright.clone() };
    vec![("sheet", bright), ("sheet-dark", dark), ("sheet-alone", alone)]
}

#[test]
fn each_is_drawn_as_it_was_looked_at() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics/chart/golden");
    let one = charts().into_iter().map(|(name, chart)| (name, svg(&chart)));
    let several = sheets().into_iter().map(|(name, sheet)| (name, multiples::svg(&sheet)));
    for (name, drawn) in one.chain(several) {
        let file = folder.join(format!("{name}.svg"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &drawn).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(kept == drawn, "{name}.svg is drawn otherwise now: `UPDATE=1 cargo test -p plugins chart` writes it");
        let png = dots(&drawn).unwrap();
        assert!(png.starts_with(b"\x89PNG") && (4_000..200_000).contains(&png.len()), "{name}: {} bytes", png.len());
        if let Some(to) = std::env::var_os("PICTURES") {
            std::fs::write(std::path::Path::new(&to).join(format!("{name}.png")), png).unwrap();
        }
    }
}

/// Without its font, letters of Hangul would be boxes, or nothing: words of the same length would be the same picture.
#[test]
fn hangul_is_drawn_letter_by_letter() {
    let (_, chart) = charts().remove(0);
    let [one, other, none] = ["결제 응답 시간", "주문 처리 지연", ""]
        .map(|title| png(&Chart { title: title.to_owned(), ..chart.clone() }).unwrap());
    assert!(one != other && one != none && other != none);
}

#[test]
fn nothing_that_anybody_writes_breaks_a_drawing() {
    let (_, mut chart) = charts().remove(0);
    let (_, all_in_one) = sheets().remove(0);
    for text in ["</text><script>", "&#0;", "\u{202e}\0\u{1b}[31m\n", "\u{ffff}]]>", &"x".repeat(100_000)] {
        chart.title = text.to_owned();
        chart.lines[0].series.name = text.to_owned();
        chart.marks[0].says = text.to_owned();
        assert!(png(&chart).is_ok(), "{text:.40}");
        let sheet =
            Sheet { title: text.to_owned(), charts: vec![(chart.clone(), text.to_owned())], ..all_in_one.clone() };
        assert!(super::sheet(&sheet).is_ok(), "{text:.40}");
    }
    for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0, 1e-300, 1e15] {
        chart.lines = vec![line("odd", false, |minute| if minute % 2 == 0 { value } else { -value / 3.0 })];
        assert!(png(&chart).is_ok() && !svg(&chart).contains("NaN") && !svg(&chart).contains("inf"), "{value}");
    }
}
