// Package app is the lycosa command: what a program with spiders of its own calls from main.
//
//	func main() { app.Main(books.Spider, news.Spider) }
//
// Flags, environment and exit codes end here; the packages below know nothing of them. Each verb has a file of its
// name.
//
// # Exit codes
//
//	 0  done
//	 1  failed
//	 2  wrong usage or configuration: one line on standard error, nothing was written
//	 3  done, but dead letters remain
//	 8  Redis unavailable
//	 9  item store unavailable
//	11  interrupted and drained
//	13  forced: a second signal came while draining
//
// # Environment
//
//	LYCOSA_REDIS      --redis
//	LYCOSA_DIR        --dir
//	LYCOSA_OUT        --out, several separated by blanks
//	LYCOSA_LOG_LEVEL  --log-level
//	LYCOSA_WEBSUB_KEY secret of a worker's --websub
//
// A flag wins over its variable. Connection strings with passwords belong into variables: everybody on a machine can
// read the arguments of a process.
package app
