//! From panels to SVG.

use super::{Axis, Color, Entry, Figure, Layer, Panel, Shape, Stroke};
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::{
    Circle, DrawingArea, FontTransform, IntoDrawingArea, IntoFont, PathElement, Polygon, RGBColor, Rectangle,
    SVGBackend, ShapeStyle, Text, TextStyle,
};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

/// The width of a picture in pixels.
pub const WIDTH: u32 = 1800;
/// The plotting library counts in whole units. With so many of them to a pixel curves are smooth.
const UNIT: i32 = 10;
/// The height of the title.
const HEADER: i32 = px(64);
/// The room around a panel's frame.
const LEFT: i32 = px(74);
const TOP: i32 = px(44);
const RIGHT: i32 = px(26);
const BOTTOM: i32 = px(84);
/// What the title of a vertical axis takes beyond that.
const SIDE_TITLE: i32 = px(36);
/// The room of a legend beside a panel.
const LEGEND: i32 = px(176);
/// The height of a legend's line.
const LEGEND_LINE: i32 = px(31);
/// The length of a legend's stroke.
const SAMPLE: i32 = px(44);
const TITLE_SIZE: i32 = px(30);
const TEXT_SIZE: i32 = px(22);
const RADIUS: i32 = px(6);
const DOT: i32 = px(3);
/// The length of an arrow's head, and what is too short for one.
const HEAD: i32 = px(18);
const LEAST_HEAD: i32 = px(6);

/// Pixels as units.
const fn px(pixels: i32) -> i32 {
    pixels * UNIT
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Done = Result<(), Box<dyn Error>>;
type Pixel = (i32, i32);

/// The picture.
pub fn svg(figure: &Figure) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let row_height = px(figure.row_height as i32);
    let (width, height) = (px(WIDTH as i32), HEADER + row_height * figure.rows.len() as i32);
    {
        let area = SVGBackend::with_string(&mut text, (width as u32, height as u32)).into_drawing_area();
        area.fill(&plain(Color::WHITE))?;
        write(&area, &figure.title, (px(24), HEADER / 2 + px(4)), TITLE_SIZE, Color::INK, HPos::Left)?;
        for (i, row) in figure.rows.iter().enumerate() {
            draw_row(&area, row, HEADER + i as i32 * row_height, row_height)?;
        }
        area.present()?;
    }
    let size = |unit: i32| format!("width=\"{}\" height=\"{}\"", width / unit, height / unit);
    Ok(text.replacen(&size(1), &size(UNIT), 1))
}

fn draw_row(area: &Area<'_>, row: &[Panel], top: i32, height: i32) -> Done {
    let weights: f64 = row.iter().map(|panel| panel.weight).sum();
    let mut left = 0.0;
    for panel in row {
        let width = f64::from(px(WIDTH as i32)) * panel.weight / weights;
        let beside = if panel.legend.is_empty() { 0 } else { LEGEND };
        let frame = Frame {
            panel,
            left: left as i32 + LEFT + if panel.y.label.is_empty() { 0 } else { SIDE_TITLE },
            right: (left + width) as i32 - RIGHT - beside,
            top: top + TOP,
            bottom: top + height - BOTTOM,
        };
        frame.draw(area)?;
        left += width;
    }
    Ok(())
}

/// A panel and the pixels of its frame.
struct Frame<'a> {
    panel: &'a Panel,
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl Frame<'_> {
    fn draw(&self, area: &Area<'_>) -> Done {
        let (regions, rest): (Vec<_>, Vec<_>) =
            self.panel.layers.iter().partition(|layer| matches!(layer, Layer::Region { .. }));
        for layer in regions {
            self.layer(area, layer)?;
        }
        self.axes(area)?;
        for layer in rest {
            self.layer(area, layer)?;
        }
        self.legend(area, &self.panel.legend, self.right + px(18))
    }

    fn pixel(&self, (x, y): (f64, f64)) -> Pixel {
        let across = |axis: &Axis, value, from: i32, to: i32| {
            (f64::from(from) + axis.place(value) * f64::from(to - from)).round() as i32
        };
        (across(&self.panel.x, x, self.left, self.right), across(&self.panel.y, y, self.bottom, self.top))
    }

    fn pixels(&self, points: &[(f64, f64)]) -> Vec<Pixel> {
        points.iter().map(|&point| self.pixel(point)).collect()
    }

    /// Grid, frame, ticks and titles.
    fn axes(&self, area: &Area<'_>) -> Done {
        let Frame { panel, left, right, top, bottom } = *self;
        let grid = Stroke { color: Color::FAINT, width: 1, dashed: false };
        let shaded = panel.layers.iter().any(|layer| matches!(layer, Layer::Region { .. }));
        for (value, label) in &panel.x.ticks {
            let (x, _) = self.pixel((*value, 1.0));
            if !shaded {
                line(area, vec![(x, top), (x, bottom)], grid)?;
            }
            line(area, vec![(x, bottom), (x, bottom + px(6))], Stroke::thin(Color::INK))?;
            write(area, label, (x, bottom + px(22)), TEXT_SIZE, Color::INK, HPos::Center)?;
        }
        for (value, label) in &panel.y.ticks {
            let (_, y) = self.pixel((1.0, *value));
            if !shaded {
                line(area, vec![(left, y), (right, y)], grid)?;
            }
            line(area, vec![(left - px(6), y), (left, y)], Stroke::thin(Color::INK))?;
            write(area, label, (left - px(12), y), TEXT_SIZE, Color::INK, HPos::Right)?;
        }
        let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        line(area, corners, Stroke::thin(Color::INK))?;
        write(area, &panel.title, (left, top - px(20)), TEXT_SIZE, Color::INK, HPos::Left)?;
        write(area, &panel.x.label, ((left + right) / 2, bottom + px(54)), TEXT_SIZE, Color::INK, HPos::Center)?;
        write_upwards(area, &panel.y.label, (left - LEFT - px(10), (top + bottom) / 2))
    }

    fn layer(&self, area: &Area<'_>, layer: &Layer) -> Done {
        match layer {
            Layer::Line { points, stroke } => line(area, self.pixels(points), *stroke),
            Layer::Arrows { points, stroke } => {
                self.pixels(points).windows(2).try_for_each(|pair| arrow(area, pair[0], pair[1], *stroke))
            }
            Layer::Region { corners, color } => Ok(area.draw(&Polygon::new(self.pixels(corners), rgb(*color)))?),
            Layer::Marks { points, shape, color } => {
                self.pixels(points).into_iter().try_for_each(|at| mark(area, at, *shape, *color))
            }
            Layer::Rule { y, label } => {
                let (_, height) = self.pixel((1.0, *y));
                let stroke = Stroke { width: 2, ..Stroke::dashed(Color::INK) };
                line(area, vec![(self.left, height), (self.right, height)], stroke)?;
                let away = if self.panel.y.place(*y) > 0.5 { px(18) } else { px(-16) };
                write(area, label, (self.left + px(12), height + away), TEXT_SIZE, Color::INK, HPos::Left)
            }
        }
    }

    fn legend(&self, area: &Area<'_>, entries: &[Entry], left: i32) -> Done {
        for (i, entry) in entries.iter().enumerate() {
            let y = self.top + px(20) + i as i32 * LEGEND_LINE;
            if let Some(stroke) = entry.stroke {
                line(area, vec![(left, y), (left + SAMPLE, y)], stroke)?;
            }
            if let Some((shape, color)) = entry.mark {
                mark(area, (left + SAMPLE / 2, y), shape, color)?;
            }
            write(area, &entry.label, (left + SAMPLE + px(10), y), TEXT_SIZE, Color::INK, HPos::Left)?;
        }
        Ok(())
    }
}

fn plain(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

fn rgb(color: Color) -> ShapeStyle {
    ShapeStyle { color: plain(color).into(), filled: true, stroke_width: 0 }
}

fn outline(color: Color, width: i32) -> ShapeStyle {
    ShapeStyle { filled: false, stroke_width: px(width) as u32, ..rgb(color) }
}

fn line(area: &Area<'_>, points: Vec<Pixel>, stroke: Stroke) -> Done {
    let style = outline(stroke.color, stroke.width as i32);
    if stroke.dashed {
        Ok(area.draw(&DashedPathElement::new(points, px(12), px(7), style))?)
    } else {
        Ok(area.draw(&PathElement::new(points, style))?)
    }
}

/// A line with a head at its end, which is left out where there is no room for it.
fn arrow(area: &Area<'_>, from: Pixel, to: Pixel, stroke: Stroke) -> Done {
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = dx.hypot(dy);
    let head = f64::from(HEAD).min(0.6 * length);
    if head < f64::from(LEAST_HEAD) {
        return line(area, vec![from, to], stroke);
    }
    let (dx, dy) = (dx / length, dy / length);
    let at = |back: f64, side: f64| {
        let place = |end: i32, along: f64, across: f64| (f64::from(end) - back * along + side * across).round() as i32;
        (place(to.0, dx, -dy), place(to.1, dy, dx))
    };
    line(area, vec![from, at(0.8 * head, 0.0)], stroke)?;
    let corners = vec![to, at(head, 0.4 * head), at(head, -0.4 * head)];
    Ok(area.draw(&Polygon::new(corners, rgb(stroke.color)))?)
}

fn mark(area: &Area<'_>, at: Pixel, shape: Shape, color: Color) -> Done {
    match shape {
        Shape::Disc => {
            area.draw(&Circle::new(at, RADIUS, rgb(color)))?;
            area.draw(&Circle::new(at, RADIUS, outline(Color::WHITE, 1)))?;
        }
        Shape::Dot => area.draw(&Circle::new(at, DOT, rgb(color)))?,
        Shape::Ring => area.draw(&Circle::new(at, RADIUS + px(5), outline(color, 3)))?,
        Shape::Star => {
            area.draw(&Polygon::new(star(at, px(19)), rgb(Color::WHITE)))?;
            area.draw(&Polygon::new(star(at, px(15)), rgb(color)))?;
        }
        Shape::Square => {
            let (x, y) = at;
            let (left, right, top, bottom) = (x - px(13), x + px(13), y - px(10), y + px(10));
            area.draw(&Rectangle::new([(left, top), (right, bottom)], rgb(color)))?;
            let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            line(area, corners, Stroke { color: Color::GREY, width: 1, dashed: false })?;
        }
    }
    Ok(())
}

fn star((x, y): Pixel, radius: i32) -> Vec<Pixel> {
    (0..10)
        .map(|i| {
            let angle = f64::from(i) * std::f64::consts::PI / 5.0;
            let radius = if i % 2 == 0 { 1.0 } else { 0.45 } * f64::from(radius);
            (x + (radius * angle.sin()).round() as i32, y - (radius * angle.cos()).round() as i32)
        })
        .collect()
}

fn text_style(size: i32, color: Color, side: HPos) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(side, VPos::Center));
    style.color = plain(color).to_backend_color();
    style
}

fn write(area: &Area<'_>, text: &str, at: Pixel, size: i32, color: Color, side: HPos) -> Done {
    Ok(area.draw(&Text::new(text.to_owned(), at, text_style(size, color, side)))?)
}

fn write_upwards(area: &Area<'_>, text: &str, at: Pixel) -> Done {
    let style = text_style(TEXT_SIZE, Color::INK, HPos::Center).transform(FontTransform::Rotate270);
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}
