//! A layer of tower: every request of a service is a call.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::calling::Attempt;
use super::client::Client;
use super::reply::{Classify, Failed};
use super::retry::{Make, Retry};

/// Retries, hedges and guards requests as a [`Client`] does. Requests and the service are cloned for each attempt.
///
/// Where the client gives up, the caller has what the last attempt returned, a reply or an error; where that returned nothing, since it timed out or was not sent, the
/// error is a [`Failed`].
///
/// ```
/// # use simlab::live::{Client, Gates, Layer, http};
/// # use simlab::retry::RetryPolicy;
/// # let client = Client::new(RetryPolicy::default(), Gates::none());
/// # struct Reply { status: u16 }
/// let layer = Layer::new(client, |result: &Result<Reply, std::io::Error>| match result {
///     Ok(reply) => http(reply.status, |_| None),
///     Err(_) => simlab::protocol::Failure::new(simlab::protocol::Outcome::Reset),
/// });
/// ```
#[derive(Debug)]
pub struct Layer<C> {
    client: Arc<Client>,
    classify: Arc<C>,
}

impl<C> Layer<C> {
    /// Requests go by this client, and `classify` says what attempts came to.
    pub fn new(client: impl Into<Arc<Client>>, classify: C) -> Layer<C> {
        Layer { client: client.into(), classify: Arc::new(classify) }
    }
}

impl<C> Clone for Layer<C> {
    fn clone(&self) -> Layer<C> {
        Layer { client: Arc::clone(&self.client), classify: Arc::clone(&self.classify) }
    }
}

impl<S, C> tower_layer::Layer<S> for Layer<C> {
    type Service = Service<S, C>;
    fn layer(&self, inner: S) -> Service<S, C> {
        Service { inner, layer: self.clone() }
    }
}

/// A service behind a [`Layer`].
#[derive(Debug)]
pub struct Service<S, C> {
    inner: S,
    layer: Layer<C>,
}

impl<S: Clone, C> Clone for Service<S, C> {
    fn clone(&self) -> Service<S, C> {
        Service { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, C, R> tower_service::Service<R> for Service<S, C>
where
    S: tower_service::Service<R> + Clone,
    R: Clone,
    C: Classify<Result<S::Response, S::Error>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = S::Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Calls<S, R, C>;

    /// Each attempt waits for the service by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let again = Again { service: self.inner.clone(), request };
        let retry = self.layer.client.call_shared(again);
        Calls(retry.with(Classified(Arc::clone(&self.layer.classify))))
    }
}

/// Makes the same request again.
pub struct Again<S, R> {
    service: S,
    request: R,
}

impl<S: tower_service::Service<R> + Clone, R: Clone> Make<One<S, R>> for Again<S, R> {
    fn make(&mut self, _: Attempt) -> One<S, R> {
        One::Waits(self.service.clone(), Some(self.request.clone()))
    }
}

/// What the layer's own `classify` says.
pub struct Classified<C>(Arc<C>);

impl<T, C: Classify<T>> Classify<T> for Classified<C> {
    fn reply(&self, returned: &T) -> crate::protocol::Failure {
        self.0.reply(returned)
    }
}

/// One attempt: once the service is ready, the request.
pub enum One<S: tower_service::Service<R>, R> {
    /// Until the service is ready.
    Waits(S, Option<R>),
    /// For the reply.
    Sent(Pin<Box<S::Future>>),
}

/// Nothing in it is pinned where it stands.
impl<S: tower_service::Service<R>, R> Unpin for One<S, R> {}

impl<S: tower_service::Service<R>, R> Future for One<S, R> {
    type Output = Result<S::Response, S::Error>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            *self = match &mut *self {
                One::Waits(service, request) => {
                    if let Err(error) = ready!(service.poll_ready(context)) {
                        return Poll::Ready(Err(error));
                    }
                    One::Sent(Box::pin(service.call(request.take().expect("it is sent once"))))
                }
                One::Sent(reply) => return reply.as_mut().poll(context),
            };
        }
    }
}

/// A request through a [`Service`], until it is over.
pub struct Calls<S: tower_service::Service<R>, R, C>(Behind<S, R, C>);

type Behind<S, R, C> = Retry<Arc<Client>, Again<S, R>, One<S, R>, Classified<C>>;

impl<S, C, R> Future for Calls<S, R, C>
where
    S: tower_service::Service<R> + Clone,
    R: Clone,
    C: Classify<Result<S::Response, S::Error>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<S::Response, Box<dyn Error + Send + Sync>>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let failed = match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(reply) => return Poll::Ready(Ok(reply)),
            Err(failed) => failed,
        };
        let Failed { why, attempts, outcome, last } = failed;
        Poll::Ready(match last {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(error)) => Err(error.into()),
            None => Err(Failed::<(), std::convert::Infallible> { why, attempts, outcome, last: None }.into()),
        })
    }
}
