// Package learn finds query parameters that do not change what a page says, from pages whose URLs and content signatures
// are known (see package crawler/signature):
//
//	https://shop.example/item?id=1&ref=home   c0ffee
//	https://shop.example/item?id=1&ref=mail   c0ffee     the same without ref: evidence for dropping it
//	https://shop.example/item?id=2&ref=mail   beef       not the same with another id: evidence against dropping that
//
// Pages that differ in one parameter alone are a group. Each page of a group is compared with the one before it; how
// likely the next comparison is to agree is judged by the lower end of Wilson's interval (E. B. Wilson: Probable Inference, the Law of
// Succession, and Statistical Inference, 1927), so that a few agreements prove nothing. It is the first step of what A. Agarwal, H. S.
// Koppula et al.: URL Normalization for De-duplication of Web Pages, CIKM 2009, whose rules are learnt the same way and go further.
//
// Nothing is ever applied by itself. A parameter that looks idle may still lead to pages that nothing else links to, and a
// crawl keeps its canonical form from its first day on; so a [Report] is for a person to read.
package learn
