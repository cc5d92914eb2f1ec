// Package memdedup remembers fingerprints in the memory of the process: [Set] exactly, [Bloom] in far
// less memory at the price of losing some pages unseen.
//
//	          bytes a URL      wrongly "seen"
//	Set       19 to 26         none
//	Bloom 1%  1.3              1 of 100
//	Bloom .1% 2.0              1 of 1,000
//
// That is for a Bloom whose size was known. One that outgrows it begins another layer, and keeps its rate; one of which nothing
// was known takes up to four times the memory.
//
// What Bloom wrongly takes for seen is a page that is never fetched: take Set unless memory forbids it.
package memdedup
