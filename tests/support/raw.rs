//! A call as bytes, for what no generated client would send: gRPC-Web, which any HTTP client can speak.

use std::net::SocketAddr;

use tonic::{Code, Status};

/// Flag of the frame that holds the trailers.
const TRAILERS: u8 = 0x80;

/// A message as the body of a call, with the prefix of its length.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}

/// Calls `service/Method` with any headers and any body, as the customer mina unless a header says otherwise.
pub async fn call(address: SocketAddr, method: &str, headers: &[(&'static str, &str)], body: Vec<u8>) -> Status {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("http://{address}/{method}")).body(body);
    for (name, value) in [("content-type", "application/grpc-web+proto"), ("x-user-id", "mina")] {
        if headers.iter().all(|(given, _)| *given != name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    // a refusal has its status in the headers, an answer behind its message
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let body = response.bytes().await.unwrap();
    let mut rest = body.as_ref();
    while let [flag, a, b, c, d, behind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if *flag == TRAILERS {
            return told(&String::from_utf8_lossy(&behind[..length]));
        }
        rest = &behind[length..];
    }
    Status::new(Code::DataLoss, "an answer without a status")
}

fn told(trailers: &str) -> Status {
    let code = trailers.lines().find_map(|line| line.strip_prefix("grpc-status:"));
    Status::new(Code::from_bytes(code.unwrap().trim().as_bytes()), "")
}
