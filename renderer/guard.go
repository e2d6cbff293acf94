package renderer

import (
	"context"
	"fmt"
)

// guarded runs a library on hostile input: a panic becomes an error, and so
// does the end of ctx. A library that cannot be interrupted then finishes on its
// own, bounded by the limits on its input.
func guarded[T any](ctx context.Context, run func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if r := recover(); r != nil {
				o.err = fmt.Errorf("stopped unexpectedly: %v", r)
			}
			done <- o
		}()
		o.value, o.err = run()
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("not done in time: %w", ctx.Err())
	}
}
