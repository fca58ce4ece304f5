//! Bodies of every shape, read under paused time.

use std::convert::Infallible;

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use proptest::prelude::*;
use tokio::time::sleep;

use super::*;

const BODY_BYTES_MAX: usize = 1_000;

fn limits() -> BodyLimits {
    BodyLimits {
        body_bytes_max: BODY_BYTES_MAX,
        deadline: Duration::from_mins(1),
        grace: Duration::from_secs(5),
        bytes_per_second_min: 100,
    }
}

fn request(body: Body) -> RequestBody {
    request_within(body, BodyBudget::new(1 << 20, BODY_BYTES_MAX))
}

fn request_within(body: Body, budget: BodyBudget) -> RequestBody {
    RequestBody::new(body, &HeaderMap::new(), limits(), budget)
}

fn streamed(frames: impl Stream<Item = Vec<u8>> + Send + 'static) -> Body {
    Body::from_stream(frames.map(Ok::<_, Infallible>))
}

/// `count` frames of ten bytes, one each `interval`.
fn dripping(count: usize, interval: Duration) -> Body {
    streamed(stream::iter(0..count).then(move |_| async move {
        sleep(interval).await;
        vec![b'x'; 10]
    }))
}

#[tokio::test]
async fn a_body_of_one_frame_is_not_copied() {
    let sent = Bytes::from(vec![b'x'; 500]);
    let read = request(Body::from(sent.clone())).collect().await.unwrap();
    assert_eq!(read, sent);
    assert_eq!(read.as_ptr(), sent.as_ptr());
}

#[tokio::test]
async fn an_empty_body_is_empty_and_takes_no_room() {
    let budget = BodyBudget::new(2_000, BODY_BYTES_MAX);
    let read = request_within(Body::empty(), budget.clone()).collect().await.unwrap();
    assert!(read.is_empty());
    assert_eq!(budget.available_bytes(), 1_000);
}

#[tokio::test]
async fn the_largest_body_is_read_and_a_byte_more_is_refused() {
    for declared in [true, false] {
        let body = |bytes: usize| {
            if declared {
                Body::from(vec![b'x'; bytes])
            } else {
                streamed(stream::iter([vec![b'x'; bytes - 1], vec![b'x']]))
            }
        };
        let read = request(body(BODY_BYTES_MAX)).collect().await.unwrap();
        assert_eq!(read.len(), BODY_BYTES_MAX);
        let refused = request(body(BODY_BYTES_MAX + 1)).collect().await.unwrap_err();
        assert!(matches!(refused, BodyRefused::TooLarge), "{refused}");
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_refused_after_the_grace() {
    let began = Instant::now();
    let body = streamed(stream::iter([vec![b'x'; 100]]).chain(stream::pending()));
    let refused = request(body).collect().await.unwrap_err();
    assert!(matches!(refused, BodyRefused::TooSlow), "{refused}");
    // One second was earned by the hundred bytes.
    assert_eq!(began.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn the_slowest_rate_is_waited_for_and_less_is_not() {
    let read = request(dripping(100, Duration::from_millis(100))).collect().await.unwrap();
    assert_eq!(read.len(), 1_000);

    let began = Instant::now();
    let refused = request(dripping(100, Duration::from_millis(200))).collect().await.unwrap_err();
    assert!(matches!(refused, BodyRefused::TooSlow), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_body_outlives_its_deadline() {
    let mut limits = limits();
    limits.grace = Duration::from_hours(1);
    let budget = BodyBudget::new(1 << 20, BODY_BYTES_MAX);
    let body = dripping(100, Duration::from_secs(1));
    let body = RequestBody::new(body, &HeaderMap::new(), limits, budget);
    let began = Instant::now();
    assert!(matches!(body.collect().await, Err(BodyRefused::TooSlow)));
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn room_is_held_until_the_last_slice_is_dropped() {
    let budget = BodyBudget::new(2_000, BODY_BYTES_MAX);
    let read = request_within(Body::from(vec![b'x'; 600]), budget.clone());
    let read = read.collect().await.unwrap();
    let slice = read.slice(..10);
    drop(read);
    assert_eq!(budget.available_bytes(), 400);
    drop(slice);
    assert_eq!(budget.available_bytes(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_full_budget_makes_bodies_wait_and_is_not_their_fault() {
    let budget = BodyBudget::new(1_500, BODY_BYTES_MAX);
    let body = || request_within(Body::from(vec![b'x'; 400]), budget.clone());
    let first = body().collect().await.unwrap();
    let second = body().collect().await.unwrap(); // in the room set aside
    let mut third = Box::pin(body().collect());
    assert!(third.as_mut().now_or_never().is_none());

    // Far longer than the grace, so that only the deadline may count.
    tokio::time::advance(Duration::from_secs(50)).await;
    drop(first);
    assert_eq!(third.await.unwrap().len(), 400);
    drop(second);
    assert_eq!(budget.available_bytes(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_room_until_its_deadline_is_told_to_come_again() {
    let budget = BodyBudget::new(1_500, BODY_BYTES_MAX);
    let body = || request_within(Body::from(vec![b'x'; 400]), budget.clone()).collect();
    let _held = (body().await.unwrap(), body().await.unwrap());
    let refused = body().await.unwrap_err();
    assert!(matches!(refused, BodyRefused::Busy), "{refused}");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let frames: [Result<&str, &str>; 2] = [Ok("half"), Err("gone")];
    let refused = request(Body::from_stream(stream::iter(frames))).collect().await.unwrap_err();
    assert!(matches!(refused, BodyRefused::Broken(_)), "{refused}");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn discarding_ends_although_the_body_does_not() {
    let began = Instant::now();
    request(streamed(stream::repeat(vec![b'x'; 1 << 20]))).discard().await;
    request(streamed(stream::pending())).discard().await;
    assert_eq!(began.elapsed().as_secs(), DISCARD_TIME_MAX.as_secs());
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_not_asked_for_what_is_thrown_away() {
    let headers = HeaderMap::from_iter([(header::EXPECT, "100-continue".parse().unwrap())]);
    let budget = BodyBudget::new(1 << 20, BODY_BYTES_MAX);
    let body = RequestBody::new(streamed(stream::pending()), &headers, limits(), budget);
    assert!(body.discard().now_or_never().is_some());
}

#[test]
fn a_false_announcement_reserves_little() {
    let mut gathered = Gathered::default();
    gathered.push(Bytes::from_static(b"little"), false, Some(16 << 20));
    assert!(gathered.copied.capacity() <= FIRST_RESERVE_BYTES);
}

#[test]
fn a_true_announcement_is_reserved_exactly() {
    let mut gathered = Gathered::default();
    for _ in 0..70 {
        gathered.push(Bytes::from(vec![b'x'; 10_000]), false, Some(700_000));
    }
    assert_eq!(gathered.copied.capacity(), 700_000);
}

proptest! {
    #[test]
    fn frames_of_any_size_are_joined_in_order(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        declared in prop::option::of(0_u64..3_000),
    ) {
        let mut gathered = Gathered::default();
        for (n, frame) in frames.iter().enumerate() {
            gathered.push(Bytes::copy_from_slice(frame), n + 1 == frames.len(), declared);
        }
        prop_assert_eq!(gathered.into_bytes(), frames.concat());
    }
}
