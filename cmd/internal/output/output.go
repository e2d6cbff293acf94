// Package output writes the result of a command as a table for people, or as
// JSON or YAML for programs. The data goes to stdout and nothing else does. Much
// of it was written by others: no character of it controls the terminal.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// Format is the value of the flag --output.
type Format string

// The formats.
const (
	TableFormat Format = "table"
	JSONFormat  Format = "json"
	YAMLFormat  Format = "yaml"
)

// String is the text of the flag.
func (f *Format) String() string { return string(*f) }

// Type is what the flag's help calls the value.
func (f *Format) Type() string { return "table|json|yaml" }

// Set checks the value of the flag.
func (f *Format) Set(text string) error {
	switch Format(text) {
	case TableFormat, JSONFormat, YAMLFormat:
		*f = Format(text)
		return nil
	}
	return fmt.Errorf("use table, json or yaml")
}

// AddFlag adds --output to a command.
func AddFlag(command *cobra.Command, format *Format) {
	*format = TableFormat
	command.Flags().VarP(format, "output", "o", "format of the result")
	err := command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]string{string(TableFormat), string(JSONFormat), string(YAMLFormat)}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // only if the flag did not exist
	}
}

// Table is text in columns; without a header it is lines.
type Table struct {
	Header []string
	Rows   [][]string
	// Empty is said in place of a table without rows.
	Empty string
}

// Write writes value in a machine's format, or the table that describes it.
func Write(w io.Writer, format Format, value any, table func() Table) error {
	switch format {
	case JSONFormat:
		return writeJSON(w, value)
	case YAMLFormat:
		return writeYAML(w, value)
	}
	return writeTable(w, table())
}

func writeJSON(w io.Writer, value any) error {
	document, err := encodeJSON(value)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, document)
	return err
}

func writeYAML(w io.Writer, value any) error {
	document, err := encodeJSON(value)
	if err != nil {
		return err
	}
	data, err := yaml.JSONToYAML([]byte(document))
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func encodeJSON(value any) (string, error) {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return escapeJSON(data.String()), nil
}

func writeTable(w io.Writer, table Table) error {
	if len(table.Rows) == 0 && table.Empty != "" {
		_, err := fmt.Fprintln(w, table.Empty)
		return err
	}
	columns := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if len(table.Header) > 0 {
		fmt.Fprintln(columns, strings.Join(table.Header, "\t"))
	}
	for _, row := range table.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	return columns.Flush()
}
