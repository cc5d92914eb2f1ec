// Package fetch makes one HTTP exchange: it sends a request and returns the whole answer, or says in one
// word why there is none. It follows no redirect, keeps no cookie and asks no robots.txt: those are
// decisions of a crawl. It is made for a web that means harm:
//
//   - Every exchange ends in bounded time: there is a deadline for the connection, for the head of the
//     answer and for the whole, and a least rate below which a body is given up.
//   - Every exchange takes bounded memory: the head, the body on the wire and the body after decompression
//     have limits, and nothing is allocated because a server declared a size.
//   - Nothing half is passed off as whole: a body that is cut off, on the wire or inside its compression, is
//     an error.
//   - No connection is made to an address within the network the crawler stands in, unless that is asked
//     for. The address that is dialled is checked, not the text of the URL.
//   - Every failure has a [Reason], and [Reason.Temporary] says whether to try again.
//
// [Client] is the implementation of [Fetcher] over net/http. Its zero [Config] is ready for use.
//
// A body comes back with its content coding undone, in the site's own charset. [Text] turns it into UTF-8,
// [IsHTML] and [IsText] say what it is.
//
// Where this differs from browsers and curl: chunks whose lines end in a bare LF, header lines without a
// colon and transfer codings other than chunked are protocol errors, as net/http has it. If an answer has
// both Content-Length and chunks, the chunks count.
package fetch
