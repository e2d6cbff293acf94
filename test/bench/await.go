package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const awaitLimit = 90 * time.Second

// await asks until the answer is yes. It is for what is not timed: what is, is
// seen by an observer.
func await(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitLimit, fmt.Errorf("waited %s for %s", awaitLimit, what))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		yes, err := ask()
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
