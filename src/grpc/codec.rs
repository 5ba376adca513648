//! The codec of the servers: protobuf, through the decoder that a message asks for. Nearly all take the usual one,
//! where bytes that are no message end the call. Knows nothing of the messages themselves.

use prost::Message;
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{Codec, Decoder};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// What a server reads, and how.
pub trait Received: Sized + Send + 'static {
    /// Reads it.
    type Decoder: Decoder<Item = Self, Error = Status> + Default + Send + 'static;
}

impl<M: Message + Default + 'static> Received for M {
    type Decoder = ProstDecoder<M>;
}

/// Writes `T`, reads `U`.
#[derive(Debug)]
pub struct WireCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for WireCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + 'static, U: Received> Codec for WireCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = U::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        U::Decoder::default()
    }
}
