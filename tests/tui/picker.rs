//! The list of processes to choose from: what is shown, and that nothing runs away from under the cursor.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pyflame_tui::sample::Micros;
use pyflame_tui::tui::picker::{self, Act, Barred, Candidate, Picker, Wish};
use pyflame_tui::tui::theme::Depth;
use pyflame_tui::tui::{Options, picker_pane};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use crate::screens::{SIZES, same};
use crate::session::lines;

fn process(pid: u32, cpu: Option<f64>, command: &str) -> Candidate {
    Candidate {
        pid,
        start: u64::from(pid),
        cpu,
        age: Micros(u64::from(pid) * 60_000_000),
        python: "3.11".to_owned(),
        threads: 4,
        user: "www".to_owned(),
        command: command.to_owned(),
        barred: None,
    }
}

fn some(cpus: [Option<f64>; 4]) -> Vec<Candidate> {
    let commands = [
        "/usr/bin/python3 /srv/app/websrv.py --port 8080",
        "python3.11 -m celery -A jobs worker",
        "/opt/venv/bin/python manage.py runserver",
        "uwsgi --ini app.ini",
    ];
    let mut list: Vec<_> =
        (0..).zip(cpus).zip(commands).map(|((no, cpu), command)| process(100 + no, cpu, command)).collect();
    "root".clone_into(&mut list[2].user);
    list[2].barred = Some(Barred {
        word: "user",
        why: "Failed to seize PID 102: the kernel does not permit it.\nIt belongs to user 0, and we are user 33. \
              Run: sudo pyflame-tui 102"
            .to_owned(),
    });
    list[3].python = String::new();
    list
}

const BUSY: [Option<f64>; 4] = [Some(0.1), Some(1.7), Some(0.004), Some(0.0)];

struct Screen {
    picker: Picker,
    now: u64,
}

impl Screen {
    fn of(size: (u16, u16), options: &Options) -> Self {
        let mut screen = Self { picker: Picker::new(options, size), now: 0 };
        screen.list(some([None; 4]));
        screen.list(some(BUSY));
        screen
    }

    fn new() -> Self {
        Self::of((80, 24), &Options::default())
    }

    /// A second passes, and this is the new list.
    fn list(&mut self, list: Vec<Candidate>) {
        self.now += 1_000_000;
        picker::update(&mut self.picker, Act::Now(Micros(self.now)));
        assert_eq!(picker::update(&mut self.picker, Act::Listed(list)), None);
    }

    fn press(&mut self, code: KeyCode) -> Option<Wish> {
        let act = picker::pressed(&self.picker, KeyEvent::new(code, KeyModifiers::NONE))?;
        picker::update(&mut self.picker, act)
    }

    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            assert_eq!(self.press(KeyCode::Char(character)), None);
        }
    }

    fn buffer(&self) -> Buffer {
        let (width, height) = self.picker.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        picker_pane::paint(&self.picker, &mut buffer);
        buffer
    }

    fn text(&self) -> String {
        lines(&self.buffer()).join("\n")
    }

    fn order(&self) -> Vec<u32> {
        self.picker.shown().map(|one| one.pid).collect()
    }

    fn selected(&self) -> u32 {
        self.picker.selected().unwrap().pid
    }
}

#[test]
fn escape_leads_back_to_the_process_before() {
    let mut screen = Screen::new();
    assert_eq!(screen.press(KeyCode::Esc), Some(Wish::Leave));
    screen.picker.watched = Some(100);
    assert_eq!(screen.press(KeyCode::Enter), Some(Wish::Attach(101)));
    screen.type_in("websrv");
    assert_eq!(screen.press(KeyCode::Enter), Some(Wish::Back), "it is watched already");
    assert_eq!(screen.press(KeyCode::Esc), None, "the filter goes first");
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    picker_pane::paint(&screen.picker, &mut buffer);
    let text = lines(&buffer).join("\n");
    assert!(text.contains("Esc back  q leave"), "{text}");
    assert_eq!(screen.press(KeyCode::Esc), Some(Wish::Back));
    assert_eq!(screen.press(KeyCode::Char('q')), Some(Wish::Leave));
}

#[test]
fn the_list_at_every_size() {
    for size in SIZES {
        let (width, height) = size;
        let mut screen = Screen::of(size, &Options::default());
        same(&format!("picker-{width}x{height}.txt"), &(screen.text() + "\n"));
        screen.type_in("man");
        same(&format!("picker-barred-{width}x{height}.txt"), &(screen.text() + "\n"));
        picker::update(
            &mut screen.picker,
            Act::Refused("Failed to seize PID 102: it \x1b[2Jhas ended.".to_owned()),
        );
        same(&format!("picker-refused-{width}x{height}.txt"), &(screen.text() + "\n"));
    }
}

#[test]
fn the_busiest_come_first_and_the_cursor_stands_on_the_first() {
    let screen = Screen::new();
    assert_eq!(screen.order(), [101, 100, 102, 103]);
    assert_eq!(screen.selected(), 101);
}

#[test]
fn the_selection_stays_with_its_process() {
    let mut screen = Screen::new();
    screen.press(KeyCode::Down);
    assert_eq!(screen.selected(), 100);
    // At first the rows keep their places, then they follow the load; the cursor never changes its process.
    screen.list(some([Some(0.0), Some(0.0), Some(0.9), Some(0.0)]));
    assert_eq!((screen.order(), screen.selected()), (vec![101, 100, 102, 103], 100));
    for _ in 0..8 {
        screen.list(some([Some(0.0), Some(0.0), Some(0.9), Some(0.4)]));
    }
    assert_eq!((screen.order(), screen.selected()), (vec![102, 103, 100, 101], 100));
    // Its end leaves the cursor in its row.
    let mut list = some([Some(0.0), Some(0.0), Some(0.9), Some(0.4)]);
    list.remove(0);
    screen.list(list);
    assert_eq!(screen.selected(), 101);
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let mut screen = Screen::new();
    screen.press(KeyCode::Down);
    let mut list = some(BUSY);
    list[0].start += 1;
    screen.list(list);
    let selected = screen.picker.selected().unwrap();
    assert_ne!((selected.pid, selected.start), (100, 100));
}

#[test]
fn the_selected_row_stays_where_it_is_in_a_long_list() {
    let many = |busy: u32| -> Vec<_> {
        let cpu = |pid| if pid == busy { 0.9 } else { f64::from(300 - pid) / 1000.0 };
        (100..200).map(|pid| process(pid, Some(cpu(pid)), "python3 x.py")).collect()
    };
    let mut screen = Screen::new();
    screen.list(many(0));
    screen.press(KeyCode::PageDown);
    screen.press(KeyCode::PageDown);
    let before = screen.selected();
    let line = |screen: &Screen| screen.text().lines().position(|line| line.contains(&format!(" {before} ")));
    let at = line(&screen);
    for _ in 0..6 {
        screen.list(many(199));
    }
    assert_eq!(screen.order()[0], 199);
    assert_eq!((screen.selected(), line(&screen)), (before, at));
}

#[test]
fn typing_finds() {
    let mut screen = Screen::new();
    screen.type_in("celery");
    assert_eq!(screen.order(), [101]);
    assert_eq!(screen.press(KeyCode::Enter), Some(Wish::Attach(101)));
    assert_eq!(screen.press(KeyCode::Esc), None, "first the filter goes");
    screen.type_in("mgpy");
    assert_eq!(screen.order(), [102], "fuzzily, where nothing has it");
    screen.press(KeyCode::Esc);
    screen.type_in("zzz");
    assert!(screen.text().contains("none matches"));
    assert_eq!(screen.press(KeyCode::Enter), None);
}

#[test]
fn leaving() {
    assert_eq!(Screen::new().press(KeyCode::Esc), Some(Wish::Leave));
    assert_eq!(Screen::new().press(KeyCode::Char('q')), Some(Wish::Leave));
    let mut screen = Screen::new();
    screen.type_in("uq");
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(picker::pressed(&screen.picker, key), Some(Act::Leave));
}

#[test]
fn what_is_refused_is_told_and_the_list_goes_on() {
    let mut screen = Screen::new();
    assert_eq!(screen.press(KeyCode::Enter), Some(Wish::Attach(101)));
    picker::update(&mut screen.picker, Act::Refused("Failed to seize PID 101:\nit has ended.".to_owned()));
    screen.list(some(BUSY));
    assert!(screen.text().contains("it has ended."), "{}", screen.text());
    screen.press(KeyCode::Down);
    assert!(!screen.text().contains("it has ended."));
}

#[test]
fn a_click_selects_and_another_attaches() {
    let mut screen = Screen::new();
    let row = screen.text().lines().position(|line| line.contains("uwsgi")).unwrap();
    let click = Act::Point(u16::try_from(row).unwrap());
    assert_eq!(picker::update(&mut screen.picker, click.clone()), None);
    assert_eq!(picker::update(&mut screen.picker, click), Some(Wish::Attach(103)));
    assert_eq!(picker::update(&mut screen.picker, Act::Point(20)), None);
}

#[test]
fn no_size_is_too_small_and_nothing_hostile_gets_through() {
    for ascii in [false, true] {
        let options = Options { ascii, depth: Depth::Mono, ..Options::default() };
        let mut screen = Screen::of((80, 24), &options);
        let mut list = some(BUSY);
        list[0].command = "\x1b]0;x\x07\u{202e}漢字 \n".repeat(50);
        list[0].user = "\x1b[31m".to_owned();
        screen.list(list);
        for width in [0, 1, 2, 5, 9, 20, 49, 50, 69, 70, 160, 500] {
            for height in [0, 1, 2, 3, 4, 5, 9, 13, 14, 24, 200] {
                picker::update(&mut screen.picker, Act::Resized(width, height));
                for act in
                    [Act::Move(1), Act::Move(-1), Act::Point(4), Act::Refused("a\nb \x1b[1m".to_owned())]
                {
                    picker::update(&mut screen.picker, act);
                    for cell in screen.buffer().content() {
                        let harmful = |c: char| c.is_control() || c == '\u{202e}' || (ascii && !c.is_ascii());
                        assert!(!cell.symbol().chars().any(harmful), "{:?}", cell.symbol());
                        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
                    }
                }
            }
        }
    }
}
