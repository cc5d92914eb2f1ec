package pipelines

import "errors"

var (
	// ErrUnavailable is wrapped by errors that say the store behind a pipeline cannot be reached or cannot take
	// writes now. A driver returns it when it is opened; a [Stage] may return it for what will pass by itself.
	ErrUnavailable = errors.New("item store unavailable")
	// ErrItem is wrapped by errors about an item that no store can take: it is the item that is wrong.
	ErrItem = errors.New("malformed item")
	// ErrDrop is returned by a [Stage] that drops an item on purpose.
	ErrDrop = errors.New("item dropped")
)
