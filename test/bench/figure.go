package main

import (
	"math"
	"slices"
	"time"
)

// figure is one measured number. Baseline and budget have the unit of the value;
// what does not exist is nil.
type figure struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Baseline *float64 `json:"baseline"`
	// Ratio is value / baseline.
	Ratio  *float64 `json:"ratio"`
	Budget *float64 `json:"budget"`
	// OK is whether the budget is kept.
	OK *bool `json:"ok"`

	// What the baseline is and what else a reader must know; printed only.
	against string
	note    string
}

func newFigure(name string, value float64, unit string) figure {
	return figure{Name: name, Value: significant(value), Unit: unit}
}

// beside adds the baseline that was measured in this run.
func (f figure) beside(baseline float64, what string) figure {
	baseline = significant(baseline)
	f.Baseline, f.against = &baseline, what
	if baseline != 0 {
		ratio := significant(f.Value / baseline)
		f.Ratio = &ratio
	}
	return f
}

// within adds the most that the value may be.
func (f figure) within(budget float64) figure {
	budget = significant(budget)
	f.Budget = &budget
	return f.judged(f.Value <= budget)
}

// judged is for a budget that is no bound of the value.
func (f figure) judged(ok bool) figure {
	f.OK = &ok
	return f
}

func (f figure) noting(text string) figure {
	f.note = text
	return f
}

// significant keeps four significant digits: more is noise, and would change the file
// at every run.
func significant(value float64) float64 {
	if value == 0 || math.IsInf(value, 0) || math.IsNaN(value) {
		return value
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(value))))
	if scale < 1 {
		return math.Round(value)
	}
	return math.Round(value*scale) / scale
}

// median of measured times; one disturbed round of three does not move it.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	if len(sorted) == 0 {
		return 0
	}
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// each is the share of one of n.
func each(total time.Duration, n int) float64 { return milliseconds(total) / float64(n) }
