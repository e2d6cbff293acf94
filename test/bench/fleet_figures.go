package main

import (
	"context"
	"errors"
)

// measureEndpoint asks the hub's endpoint what agents ask it, in a repository
// with 20,000 refs.
func measureEndpoint(ctx context.Context, b bed) (figures []figure, err error) {
	f, err := openFleet(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	for _, measure := range []func(context.Context, bed, *fleet) ([]figure, error){measurePoll, measureFetch, measureStatus} {
		measured, err := measure(ctx, b, f)
		if err != nil {
			return nil, err
		}
		figures = append(figures, measured...)
	}
	return figures, nil
}
