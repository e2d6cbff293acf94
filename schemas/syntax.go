package schemas

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkText refuses what YAML does not allow as a character. The parser would
// not say where it stands.
func checkText(file string, data []byte) Problems {
	position := Position{File: file, Line: 1, Column: 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return Problems{{Position: position, Message: fmt.Sprintf("the byte 0x%02x is not UTF-8; save the file as UTF-8", data[0])}}
		case !isYAMLCharacter(r):
			return Problems{{Position: position, Message: fmt.Sprintf("the control character %U is not allowed; remove it, or write it as an escape in double quotes", r)}}
		case r == '\n':
			position.Line, position.Column = position.Line+1, 0
		}
		position.Column++
		data = data[size:]
	}
	return nil
}

// isYAMLCharacter tells the printable characters of YAML 1.2.2, production 1
// (c-printable), which a stream may consist of.
func isYAMLCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0x7e || r == 0x85 ||
		r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?s:(.*))$`)

// syntaxProblem words an error of the parser.
func syntaxProblem(file string, data []byte, err error) Problem {
	problem := Problem{Position: Position{File: file}, Message: "not valid YAML: " + err.Error()}
	m := yamlErrorLine.FindStringSubmatch(err.Error())
	if m == nil {
		return problem
	}
	problem.Line = 1 // the parser names no line when it is the first
	if m[1] != "" {
		problem.Line, _ = strconv.Atoi(m[1])
	}
	problem.Message = "not valid YAML: " + strings.TrimSpace(m[2])
	if line, column := findTab(data, problem.Line, m[2]); column > 0 {
		problem.Line, problem.Column = line, column
		problem.Message = "found a tab; indent with spaces"
	}
	return problem
}

// findTab finds the tab in an indentation that the parser complains about. It
// names either the line of the tab, or that in which the value before it starts.
// The column is 0 if no tab is at fault.
func findTab(data []byte, from int, complaint string) (line, column int) {
	lines := bytes.Split(data, []byte("\n"))
	to := from
	if strings.Contains(complaint, "tab character") {
		to = len(lines)
	} else if !strings.Contains(complaint, "cannot start any token") {
		return 0, 0
	}
	for line := from; line <= min(to, len(lines)); line++ {
		text := lines[line-1]
		indentation := text[:len(text)-len(bytes.TrimLeft(text, " \t-?"))]
		if tab := bytes.IndexByte(indentation, '\t'); tab >= 0 {
			return line, tab + 1
		}
	}
	return 0, 0
}
