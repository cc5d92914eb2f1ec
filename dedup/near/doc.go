// Package near finds texts that are almost the same: a page under two addresses with another date in its foot, a shop's
// item in two categories.
//
//	seen, err := near.NewIndex(1_000_000)
//	of, distance, ok := seen.LookupOrAdd(near.Of(text), url)
//
// A text is reduced to a [Sim] of 64 bits by simhash (Charikar, Similarity Estimation Techniques from Rounding Algorithms, 2002)
// over its shingles of three words. The more shingles two texts share, the fewer bits their Sims differ in; texts that have nothing
// in common differ in 32 on average. Manku, Jain and Das Sarma (Detecting Near-Duplicates for Web Crawling, 2007) found
// that a distance of at most three bits tells near duplicates of web pages at a precision and a recall of about 0.75 each: it
// is good for marking and for spending less on a path, and not for throwing pages away unseen.
//
// An [Index] finds the stored Sims within [MaxDistance] of another one. Of four bands of 16 bits one at least is the same in
// both if three bits differ, so only those that share a band are compared, some 60 among a million.
//
// Give it the text of the main part of a page, not the page: what frames all pages of a host makes them alike. And do not expect
// much of short texts, where one word is many of the shingles. Of texts of random words this share is found again after an edit:
//
//	words in the text      50     100    300    1,000   3,000
//	one word changed       10 %   29 %   71 %   95 %    99 %
//	one word in a hundred                17 %   26 %    25 %
package near
