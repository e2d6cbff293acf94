package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
)

func printTable(w io.Writer, figures []figure) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIGURE\tVALUE\tBASELINE\tRATIO\tBUDGET\tOK\tUNIT\tBASELINE IS")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, number(&f.Value), number(f.Baseline),
			number(f.Ratio), number(f.Budget), verdict(f.OK), f.Unit, f.against)
	}
	_ = table.Flush() // as for every print to stdout
	for _, f := range figures {
		if f.note != "" {
			fmt.Fprintf(w, "%s: %s\n", f.Name, f.note)
		}
	}
}

func number(value *float64) string {
	if value == nil {
		return "-"
	}
	return strconv.FormatFloat(*value, 'f', -1, 64)
}

func verdict(ok *bool) string {
	switch {
	case ok == nil:
		return "-"
	case *ok:
		return "yes"
	}
	return "no"
}

// writeFigures replaces the file as a whole.
func writeFigures(path string, figures []figure) error {
	data, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	next := path + ".new"
	if err := os.WriteFile(next, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}
