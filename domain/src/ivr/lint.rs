//! Findings about menus taken together: where callers would get stuck although each menu is valid.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::book::{Book, Page};
use super::session::MAX_STACK;
use crate::ids::MenuId;

/// Most options that callers keep in mind.
const MANY_OPTIONS: usize = 5;

/// How much a finding matters to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Callers get stuck or lost.
    Error,
    /// Callers may have difficulties.
    Warning,
}

impl Severity {
    pub const ALL: [Severity; 2] = [Self::Error, Self::Warning];

    /// Name as shown: `error` or `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Every code a finding may have.
pub const FINDING_CODES: [&str; 8] = [
    "missing_target",
    "unreachable_menu",
    "dead_end",
    "cycle_without_exit",
    "no_way_out",
    "prefix_conflict",
    "too_many_options",
    "too_deep",
];

/// A problem found in a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// For programs: one of [`FINDING_CODES`].
    pub code: &'static str,
    pub menu: MenuId,
    /// Path of the field, for example `items[0].digit`; empty for the menu as a whole.
    pub field: String,
    /// Explanation for people to read.
    pub detail: String,
}

/// All findings in `root` and the menus below it, those of `root` first. `all` holds the client's menus.
#[must_use]
pub fn lint(root: MenuId, all: &Book) -> Vec<Finding> {
    let below = all.below(root);
    let graph = Graph::of(root, &below);
    let mut found = Vec::new();
    for page in below.pages() {
        found.extend(one(page, &below));
        found.extend(graph.stuck(page));
    }
    if below.depth(root) > MAX_STACK {
        let detail =
            format!("callers can get more than {MAX_STACK} menus deep, and back does not lead that far");
        found.push(finding(Severity::Error, "too_deep", root, "", detail));
    }
    found.extend(unreachable(root, &below, all));
    found.sort_by_key(|finding| (finding.menu != root, finding.menu, finding.severity));
    found
}

fn finding(
    severity: Severity,
    code: &'static str,
    menu: MenuId,
    field: impl Into<String>,
    detail: impl Into<String>,
) -> Finding {
    debug_assert!(FINDING_CODES.contains(&code), "{code} is not listed");
    Finding { severity, code, menu, field: field.into(), detail: detail.into() }
}

/// Findings about a single menu; `all` tells which targets exist.
fn one(page: &Page, all: &Book) -> Vec<Finding> {
    let terms = &page.terms;
    let mut found = Vec::new();
    for (field, target) in terms.targets().filter(|(_, target)| all.page(*target).is_none()) {
        let detail = format!("there is no menu {target}");
        found.push(finding(Severity::Error, "missing_target", page.id, field, detail));
    }
    let keys: Vec<_> = terms.keys().map(|(key, _)| key.to_owned()).collect();
    for (at, item) in terms.items.iter().enumerate() {
        let longer = keys.iter().find(|key| key.len() > item.digit.len() && key.starts_with(&item.digit));
        if let Some(longer) = longer {
            let detail = format!(
                "{} begins {longer}: who keys it waits for {} ms or presses #",
                item.digit, terms.inter_digit_timeout_ms
            );
            found.push(finding(
                Severity::Warning,
                "prefix_conflict",
                page.id,
                format!("items[{at}].digit"),
                detail,
            ));
        }
    }
    if terms.items.len() > MANY_OPTIONS {
        let detail = format!("{} options are more than callers keep in mind", terms.items.len());
        found.push(finding(Severity::Warning, "too_many_options", page.id, "items", detail));
    }
    found
}

/// Whether an action, or one nested in it, may take the caller out of the menus.
fn is_exit(action: &Action) -> bool {
    let ends = |action: &Action| {
        matches!(action, Action::Agent { .. } | Action::Transfer { .. } | Action::Hangup | Action::Webhook(_))
    };
    action.all().any(ends)
}

fn has(action: &Action, wanted: impl Fn(&Action) -> bool) -> bool {
    action.all().any(wanted)
}

/// Where the keys of the menus lead.
struct Graph {
    ways: BTreeMap<MenuId, BTreeSet<MenuId>>,
    /// Menus from which keys lead out of the menus, directly or through others.
    leaves: BTreeSet<MenuId>,
}

impl Graph {
    fn of(root: MenuId, book: &Book) -> Self {
        let mut ways: BTreeMap<MenuId, BTreeSet<MenuId>> = BTreeMap::new();
        let mut back: Vec<MenuId> = Vec::new();
        let mut leaves = BTreeSet::new();
        for page in book.pages() {
            let of = ways.entry(page.id).or_default();
            for (_, action) in page.terms.keys() {
                of.extend(action.all().filter_map(|action| match action {
                    Action::Submenu { menu } => book.page(*menu).map(|page| page.id),
                    Action::Main => Some(root),
                    _ => None,
                }));
                if has(&action, |action| *action == Action::Back) {
                    back.push(page.id);
                }
                if is_exit(&action) {
                    leaves.insert(page.id);
                }
            }
        }
        // back leads to every menu the caller can have come from
        for id in back {
            let before: Vec<_> =
                ways.iter().filter(|(_, to)| to.contains(&id)).map(|(from, _)| *from).collect();
            ways.entry(id).or_default().extend(before);
        }
        loop {
            let more = ways
                .iter()
                .filter(|(id, to)| !leaves.contains(id) && to.iter().any(|to| leaves.contains(to)));
            let more: Vec<_> = more.map(|(id, _)| *id).collect();
            if more.is_empty() {
                break;
            }
            leaves.extend(more);
        }
        Self { ways, leaves }
    }

    fn is_on_cycle(&self, id: MenuId) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![id]);
        while let Some(at) = next.pop() {
            for to in self.ways.get(&at).into_iter().flatten() {
                if *to == id {
                    return true;
                }
                if seen.insert(*to) {
                    next.push(*to);
                }
            }
        }
        false
    }

    fn stuck(&self, page: &Page) -> Option<Finding> {
        let keys: Vec<Action> = page.terms.keys().map(|(_, action)| action).collect();
        let leads = |action: &Action| {
            is_exit(action)
                || has(action, |action| {
                    matches!(action, Action::Submenu { .. } | Action::Back | Action::Main)
                })
        };
        if !keys.iter().any(leads) {
            let detail = "no key leads anywhere: only exhausting it gets a caller out";
            return Some(finding(Severity::Error, "dead_end", page.id, "items", detail));
        }
        if !self.leaves.contains(&page.id) && self.is_on_cycle(page.id) {
            let detail = "keys lead round in a circle, and none of them to an agent, a transfer or an end";
            return Some(finding(Severity::Error, "cycle_without_exit", page.id, "items", detail));
        }
        let out = |action: &Action| {
            is_exit(action) || has(action, |action| matches!(action, Action::Back | Action::Main))
        };
        if !keys.iter().any(out) {
            let detail = "no key leads back, to the first menu, to a person or to an end: a caller who came here by \
                mistake cannot leave";
            return Some(finding(Severity::Warning, "no_way_out", page.id, "items", detail));
        }
        None
    }
}

/// Findings about menus whose parent is one of these, directly or not, though no key of these leads to them;
/// and about `root` when no key of its own parent leads to it.
fn unreachable(root: MenuId, below: &Book, all: &Book) -> Vec<Finding> {
    let belongs = |page: &&Page| {
        let mut at = page.terms.parent_menu_id;
        // parents may form a circle
        for _ in 0..=all.pages().count() {
            match at {
                Some(id) if below.page(id).is_some() => return true,
                Some(id) => at = all.page(id).and_then(|page| page.terms.parent_menu_id),
                None => return false,
            }
        }
        false
    };
    let lost = all.pages().filter(|page| below.page(page.id).is_none()).filter(belongs);
    let lost = lost.map(|page| {
        let detail = "it belongs under these menus, and no key of theirs leads to it";
        finding(Severity::Error, "unreachable_menu", page.id, "parent_menu_id", detail)
    });
    let parent = all.page(root).and_then(|page| page.terms.parent_menu_id);
    let orphan = parent.filter(|parent| {
        let leads = |page: &Page| page.terms.targets().any(|(_, target)| target == root);
        !all.page(*parent).is_some_and(leads)
    });
    let orphan = orphan.map(|parent| {
        let detail = format!("it belongs under {parent}, and no key there leads to it");
        finding(Severity::Error, "unreachable_menu", root, "parent_menu_id", detail)
    });
    lost.chain(orphan).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ivr::{book, item, menu, menu_id, submenu};

    fn codes(found: &[Finding]) -> Vec<(&'static str, u128)> {
        let number = |menu: MenuId| (0..100).find(|n| menu_id(*n) == menu).unwrap();
        found.iter().map(|finding| (finding.code, number(finding.menu))).collect()
    }

    fn lint_of(menus: Vec<(u128, crate::ivr::menu::MenuTerms)>) -> Vec<(&'static str, u128)> {
        codes(&lint(menu_id(0), &book(menus)))
    }

    fn leaf() -> Vec<crate::ivr::menu::Item> {
        vec![item("1", Action::Hangup)]
    }

    #[test]
    fn a_sound_tree_has_no_findings() {
        let main = menu("Main", vec![item("1", submenu(1)), item("0", Action::Agent { agent: None })]);
        assert_eq!(lint_of(vec![(0, main), (1, menu("One", leaf()))]), []);
    }

    #[test]
    fn a_target_that_does_not_exist_is_an_error_wherever_it_stands() {
        let mut main = menu("Main", vec![item("1", submenu(7)), item("2", Action::Hangup)]);
        main.on_exhausted = submenu(8);
        let found = lint(menu_id(0), &book(vec![(0, main)]));
        let fields: Vec<_> = found.iter().map(|finding| (finding.code, finding.field.as_str())).collect();
        assert_eq!(
            fields,
            [("missing_target", "items[0].target"), ("missing_target", "on_exhausted.target")]
        );
    }

    #[test]
    fn a_menu_nobody_leads_to_is_an_error_where_it_says_it_belongs() {
        let mut lost = menu("Lost", leaf());
        lost.parent_menu_id = Some(menu_id(0));
        let mut grandchild = menu("Below lost", leaf());
        grandchild.parent_menu_id = Some(menu_id(1));
        let menus =
            vec![(0, menu("Main", leaf())), (1, lost.clone()), (2, grandchild), (3, menu("Free", leaf()))];
        assert_eq!(lint_of(menus), [("unreachable_menu", 1), ("unreachable_menu", 2)]);
        let menus = book(vec![(0, menu("Main", leaf())), (1, lost)]);
        assert_eq!(codes(&lint(menu_id(1), &menus)), [("unreachable_menu", 1)]);
    }

    #[test]
    fn a_menu_that_leads_nowhere_is_a_dead_end() {
        let say = Action::Say { text: "We are at the lake.".to_owned() };
        for items in [vec![], vec![item("1", say)], vec![item("1", Action::Repeat)]] {
            assert_eq!(lint_of(vec![(0, menu("Main", items))]), [("dead_end", 0)]);
        }
    }

    #[test]
    fn menus_that_lead_round_in_a_circle_are_an_error_until_one_has_an_exit() {
        let round = |exit: Option<Action>| {
            let mut there = vec![item("1", submenu(0))];
            there.extend(exit.map(|action| item("2", action)));
            vec![(0, menu("Main", vec![item("1", submenu(1))])), (1, menu("One", there))]
        };
        assert_eq!(lint_of(round(None)), [("cycle_without_exit", 0), ("cycle_without_exit", 1)]);
        assert_eq!(lint_of(round(Some(Action::Hangup))), [("no_way_out", 0)]);
        let back = vec![
            (0, menu("Main", vec![item("1", submenu(1))])),
            (1, menu("One", vec![item("1", Action::Back)])),
        ];
        assert_eq!(lint_of(back), [("cycle_without_exit", 0), ("cycle_without_exit", 1)]);
    }

    #[test]
    fn a_menu_that_only_leads_deeper_has_no_way_out() {
        let menus = vec![(0, menu("Main", vec![item("1", submenu(1))])), (1, menu("One", leaf()))];
        assert_eq!(lint_of(menus), [("no_way_out", 0)]);
    }

    #[test]
    fn keys_that_begin_others_and_too_many_of_them_are_warnings() {
        let items = ["1", "12", "3", "4", "5", "6"].map(|key| item(key, Action::Hangup));
        let found = lint(menu_id(0), &book(vec![(0, menu("Main", items.to_vec()))]));
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning));
        assert_eq!(codes(&found), [("prefix_conflict", 0), ("too_many_options", 0)]);
        assert_eq!(found[0].field, "items[0].digit");
    }

    #[test]
    fn a_tree_deeper_than_the_stack_is_an_error() {
        let chain = |length: u128| {
            let link = |n: u128| {
                let next = if n + 1 < length { vec![item("1", submenu(n + 1))] } else { vec![] };
                (n, menu("Link", [next, vec![item("2", Action::Hangup)]].concat()))
            };
            (0..length).map(link).collect::<Vec<_>>()
        };
        assert_eq!(lint_of(chain(10)), []);
        assert_eq!(lint_of(chain(11)), [("too_deep", 0)]);
        assert_eq!(book(chain(11)).depth(menu_id(0)), 11);
    }
}
