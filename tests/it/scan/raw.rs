//! A client that sends bytes, whatever they are, on a `Scan` stream.

use tonic::client::Grpc;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstDecoder;
use tracegate::grpc::pb;

#[derive(Debug, Default)]
struct Bytes;

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut;
        buf.put_slice(&item);
        Ok(())
    }
}

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = pb::ScanResponse;
    type Encoder = Self;
    type Decoder = ProstDecoder<pb::ScanResponse>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

/// Opens a stream of these messages.
pub async fn scan(channel: &Channel, messages: Vec<Vec<u8>>) -> Streaming<pb::ScanResponse> {
    let path = PathAndQuery::from_static("/tracegate.v1.DispensingService/Scan");
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("a connection");
    let request = Request::new(tokio_stream::iter(messages));
    client.streaming(request, path, Bytes).await.expect("a stream").into_inner()
}
