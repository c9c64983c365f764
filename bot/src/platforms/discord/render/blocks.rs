//! Tables and output, of which as much is shown as there is room for.

use super::markdown::{FENCE, fenced, fit, units, unmarked, visible};
use super::one_line;
use commands::reply::Grid;
use unicode_width::UnicodeWidthStr;

/// How many columns of preformatted text a phone shows without breaking its lines.
const PHONE: usize = 42;
/// How much of a cell a list shows, in units.
const CELL: usize = 300;
/// Less room than this, in units, is not worth a block.
const WORTH: usize = 40;

/// The first rows of a table, in columns where these fit on a phone, else as a list; and whether rows were left out.
pub(super) fn table(grid: &Grid, room: usize) -> (String, bool) {
    let lines = columns(grid);
    if lines.iter().all(|line| line.width() <= PHONE) {
        if lines.is_empty() {
            return (String::new(), false);
        }
        let (kept, cut) = first(&lines, room.saturating_sub(FENCE));
        return if kept.is_empty() { (kept, cut) } else { (fenced(&kept), cut) };
    }
    let (rows, cells_cut): (Vec<_>, Vec<_>) = grid.rows.iter().map(|row| item(&grid.head, row)).unzip();
    let (kept, cut) = first(&rows, room);
    (kept, cut || cells_cut.contains(&true))
}

/// The end of `output`, where what went wrong is said; and whether its beginning was left out.
pub(super) fn tail(output: &str, room: usize) -> (String, bool) {
    let output = visible(&output.lines().collect::<Vec<_>>().join("\n"));
    let output = output.trim_end();
    if output.is_empty() {
        return (String::new(), false);
    }
    if units(output) + FENCE <= room {
        return (fenced(output), false);
    }
    if room < WORTH {
        return (String::new(), true);
    }
    let room = room - FENCE - units("…\n");
    let mut start = output.len();
    let mut taken = 0;
    for (place, letter) in output.char_indices().rev() {
        taken += letter.len_utf16();
        if taken > room {
            break;
        }
        start = place;
    }
    let end = &output[start..];
    // From the start of a line, unless the last one alone is too long.
    let whole_lines = end.split_once('\n').map(|(_, lines)| lines).filter(|_| !output[..start].ends_with('\n'));
    (fenced(&format!("…\n{}", whole_lines.unwrap_or(end))), true)
}

/// A table in columns, its head underlined; no more columns than the longest row has. A letter of Korean takes two.
pub(super) fn columns(grid: &Grid) -> Vec<String> {
    let cell = |cell: &String| one_line(&unmarked(cell));
    let rows: Vec<Vec<String>> =
        std::iter::once(&grid.head).chain(&grid.rows).map(|row| row.iter().map(cell).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let missing = width.saturating_sub(cell.width());
            format!("{cell}{}", " ".repeat(missing))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(|row| line(row)).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    lines.insert(1, line(&rule));
    lines.retain(|line| !line.is_empty());
    lines
}

/// A row as an item of a list: its first cell, then the others with their names; and whether a cell was cut.
fn item(head: &[String], row: &[String]) -> (String, bool) {
    let mut cut = false;
    let mut shown = Vec::new();
    for (column, cell) in row.iter().enumerate() {
        let (value, cell_cut) = fit(&one_line(cell), CELL);
        cut |= cell_cut;
        if value.is_empty() {
            continue;
        }
        let name = head.get(column).map(|name| one_line(name)).unwrap_or_default();
        let (name, name_cut) = fit(&name, CELL);
        cut |= name_cut;
        shown.push(match column {
            // Stars inside of code would end the bold text, and with it the code.
            0 if !value.contains('`') => format!("**{value}**"),
            0 => value,
            _ if name.is_empty() => value,
            _ => format!("{name}: {value}"),
        });
    }
    (shown.join(" · "), cut)
}

/// As many of the first lines as fit, with `…` in the place of the rest; and whether there is a rest.
fn first(lines: &[String], room: usize) -> (String, bool) {
    let whole = lines.join("\n");
    if units(&whole) <= room {
        return (whole, false);
    }
    if room < WORTH {
        return (String::new(), true);
    }
    let mut kept = String::new();
    let mut left = room - 1;
    for line in lines {
        let size = units(line) + 1;
        if size > left {
            break;
        }
        left -= size;
        kept.push_str(line);
        kept.push('\n');
    }
    (kept + "…", true)
}
