//! Views: rows read back, spans cover exactly what is stored.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Place(RetentionTier),
    Trim(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tier = (0..3_u8).prop_map(|byte| tier_from_byte(byte).unwrap());
    let step = prop_oneof![
        (1..50_u64).prop_map(Step::Append),
        tier.prop_map(Step::Place),
        (0..50_u64).prop_map(Step::Trim),
    ];
    vec(step, 0..200)
}

/// A view after `steps`, and the tier of each position that was ever given out.
fn play(steps: Vec<Step>) -> (View, Vec<RetentionTier>) {
    let mut view = View::default();
    let mut tiers = Vec::new();
    view.place(RetentionTier::Standard);
    for step in steps {
        match step {
            Step::Append(records) => {
                view.end = view.end.plus(records);
                tiers.resize(view.end.value() as usize, view.tier().unwrap());
            }
            Step::Place(tier) => {
                view.place(tier);
            }
            Step::Trim(records) => view.trim(view.start.plus(records).min(view.end)),
        }
    }
    (view, tiers)
}

proptest! {
    #[test]
    fn rows_read_back(steps in steps(), millis: i64) {
        let (mut view, _) = play(steps);
        view.last_arrival = Timestamp::from_millis(millis);
        prop_assert_eq!(View::from_row(&view.to_row()).unwrap(), view);
    }

    #[test]
    fn damaged_rows_are_errors(steps in steps(), cut in 1..20_usize) {
        let row = play(steps).0.to_row();
        prop_assert!(View::from_row(&row[..row.len() - cut]).is_err());
        let longer = [row.as_slice(), &[0]].concat();
        prop_assert!(View::from_row(&longer).is_err());
    }

    #[test]
    fn spans_cover_what_is_stored_where_it_lies(
        steps in steps(),
        from in 0..500_u64,
        n in 0..500_u64,
    ) {
        let (view, tiers) = play(steps);
        let wanted = Offset::new(from)..Offset::new(from + n);
        let spans: Vec<_> = view.spans(wanted.clone()).collect();
        let mut next = wanted.start.max(view.start);
        for span in spans {
            prop_assert_eq!(span.offsets.start, next);
            prop_assert!(!span.offsets.is_empty());
            for offset in span.offsets.start.value()..span.offsets.end.value() {
                prop_assert_eq!(tiers[offset as usize], span.tier);
            }
            next = span.offsets.end;
        }
        let end = wanted.end.min(view.end);
        prop_assert!(next >= end);
    }

    #[test]
    fn placements_are_bounded(steps in steps()) {
        prop_assert!((1..=PLACEMENTS_MAX).contains(&play(steps).0.placements.len()));
    }
}

#[test]
fn a_change_of_tier_without_data_leaves_no_trace() {
    let mut view = View::default();
    assert!(view.place(RetentionTier::Standard));
    assert!(view.place(RetentionTier::LongTerm));
    assert!(!view.place(RetentionTier::LongTerm));
    assert_eq!(view.placements.len(), 1);
}
