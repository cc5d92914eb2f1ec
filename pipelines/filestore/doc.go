// Package filestore keeps what a recrawl knows, in one file and without a server: items, their earlier versions, pages, and the feed of
// changes. It is for crawls in one process; mongopipe is the same for a fleet.
//
// The file is a bbolt database. Each batch of visits is one transaction, durable when Track returns: there is no state between
// before and after, however the process ends. A second process that opens the file gets [ErrInUse]; a [Reader] shows the feed to
// other processes while no crawl has the file open.
//
// Visits whose workers come at the same time share a transaction, and so one wait for the disk.
package filestore
