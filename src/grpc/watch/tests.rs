//! Which method a call belongs to, and when and how a call ends.

use super::*;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use tonic::Status;

#[test]
fn the_methods_are_those_of_the_protos() {
    let watch = Watch::new();
    let check = |path: &str, method: &str| assert_eq!(watch.method(path).meters.method(), method);
    check("/tracegate.v1.DispensingService/Dispense", "DispensingService/Dispense");
    check("/tracegate.v1.RegistryService/LoadDrugs", "RegistryService/LoadDrugs");
    check("/grpc.health.v1.Health/Check", OTHER_METHOD);
    check("/tracegate.v1.DispensingService/Nonsense", OTHER_METHOD);
    check("/", OTHER_METHOD);
}

#[test]
fn an_unchecked_request_id_is_clipped() {
    assert_eq!(clipped("a"), "a");
    assert_eq!(clipped(&"码".repeat(300)), "码".repeat(LOGGED_ID_CHARS_MAX));
}

/// A body of frames that are there already.
#[derive(Clone)]
struct Frames(VecDeque<Result<Sent, Status>>);

#[derive(Clone)]
enum Sent {
    Data,
    Trailers(&'static str),
}

fn headers(code: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", code.parse().unwrap());
    headers
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = |sent| match sent {
            Sent::Data => Frame::data(Bytes::from_static(b"x")),
            Sent::Trailers(code) => Frame::trailers(headers(code)),
        };
        Poll::Ready(self.0.pop_front().map(|next| next.map(frame)))
    }
}

/// A service that answers with a head and a body.
#[derive(Clone)]
struct Answers(HeaderMap, Frames);

impl Service<Request<Body>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::new(self.1.clone()));
        *response.headers_mut() = self.0.clone();
        ready(Ok(response))
    }
}

/// A watch over one method.
fn watch(method: &str, streams: bool) -> Watch {
    let of = Arc::new(Method { meters: RpcMeters::of(method), streams });
    Watch { methods: Arc::default(), other: of }
}

#[tokio::test]
async fn a_call_ends_with_its_status_wherever_that_stands() {
    let page = telemetry::start_metrics().unwrap();
    let data = || Ok(Sent::Data);
    let check = async |method: &str, streams, head: HeaderMap, body: Vec<_>, polls: usize, code: &str| {
        let mut service = watch(method, streams).layer(Answers(head, Frames(body.into())));
        let answer = service.call(Request::new(Body::empty())).await.unwrap();
        let shows = |line: String| {
            let text = page.render();
            assert!(text.contains(&line), "{line} in {text}");
        };
        let mut body = answer.into_body();
        for polled in 0..polls {
            if streams && polled == 0 {
                shows(format!("tracegate_rpc_in_flight{{method=\"{method}\"}} 1"));
            }
            drop(poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut body), context)).await);
        }
        drop(body);
        shows(format!("tracegate_rpc_in_flight{{method=\"{method}\"}} 0"));
        shows(format!("tracegate_rpc_answers_total{{method=\"{method}\",code=\"{code}\"}} 1"));
    };
    let none = HeaderMap::new;
    check("T/One", false, none(), vec![data(), Ok(Sent::Trailers("0"))], 2, "OK").await;
    check("T/OneRefused", false, headers("3"), vec![], 0, "INVALID_ARGUMENT").await;
    check("T/Many", true, none(), vec![data(), data(), Ok(Sent::Trailers("0"))], 3, "OK").await;
    check("T/ManyRefused", true, headers("7"), vec![], 0, "PERMISSION_DENIED").await;
    check("T/ManyThenFault", true, none(), vec![data(), Ok(Sent::Trailers("14"))], 2, "UNAVAILABLE").await;
    check("T/ManyCut", true, none(), vec![data(), Err(Status::internal("x"))], 2, "INTERNAL").await;
    check("T/ManyLeft", true, none(), vec![data(), data()], 1, "CANCELLED").await;
    check("T/ManyWithoutTrailers", true, none(), vec![data()], 2, "OK").await;
    check("T/Odd", false, headers("99"), vec![], 0, "UNKNOWN").await;
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled() {
    /// Never answers.
    struct Silent;
    impl Service<Request<Body>> for Silent {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::pending()
        }
    }
    let page = telemetry::start_metrics().unwrap();
    let mut service = watch("T/Silent", false).layer(Silent);
    drop(service.call(Request::new(Body::empty())));
    let text = page.render();
    for line in [
        "tracegate_rpc_in_flight{method=\"T/Silent\"} 0",
        "tracegate_rpc_answers_total{method=\"T/Silent\",code=\"CANCELLED\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
