package sync

import "errors"

// Errors that callers branch on.
var (
	// ErrRefNotFound means that the repository was read and has no such ref.
	ErrRefNotFound = errors.New("ref not found")
	// ErrConflict means that a ref is not where the caller expected it; nothing was changed.
	ErrConflict = errors.New("ref has moved")
	// ErrUnauthorized means that the server did not accept the credentials.
	ErrUnauthorized = errors.New("not authorised")
	// ErrUntrusted means that a commit bears no acceptable signature by a trusted key.
	ErrUntrusted = errors.New("commit is not trusted")
)
