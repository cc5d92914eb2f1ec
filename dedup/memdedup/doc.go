// Package memdedup remembers fingerprints in the memory of the process: [Set] exactly, [Bloom] in far
// less memory at the price of losing some pages unseen.
//
//	          bytes a URL      wrongly "seen"
//	Set       20 to 30         none
//	Bloom 1%  1.2              1 of 100 when full
//	Bloom .1% 1.8              1 of 1,000 when full
//
// What Bloom wrongly takes for seen is a page that is never fetched: take Set unless memory forbids it.
package memdedup
