package renderer

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"branchline.dev/branchline/schemas"
)

// templateLocation finds "chart/templates/x.yaml:12:4" in Helm's errors.
var templateLocation = regexp.MustCompile(`([^\s():"<>]+):(\d+)(?::(\d+))?`)

// noise is what text/template and Helm put around the message of a function.
var noise = regexp.MustCompile(`^(?:[):\s]+|executing "[^"]*" at <.*?>:\s|error calling [A-Za-z0-9_]+: )+`)

// templateProblem places an error of Helm's engine at the innermost template
// that it names: that is where the failing function is called, with the includes
// that led there named before it.
func (p *pack) templateProblem(c *chart.Chart, err error) schemas.Problem {
	position, message := p.at("", 0, 0), err.Error()
	var of templateError
	if errors.As(err, &of) {
		position = p.at(p.sourceOf(c, of.name), 0, 0)
	}
	rest := message
	for {
		at := templateLocation.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		name := rest[at[2]:at[3]]
		file, found := strings.CutPrefix(name, c.Name()+"/")
		line := rest[at[4]:at[5]]
		column := ""
		if at[6] >= 0 {
			column = rest[at[6]:at[7]]
		}
		rest = rest[at[1]:]
		if found || name == tplName {
			message = rest
		}
		if found {
			position = p.at(file, number(line), number(column))
		}
	}
	message = strings.Join(strings.Fields(noise.ReplaceAllString(message, "")), " ")
	if message == "" {
		message = strings.Join(strings.Fields(err.Error()), " ")
	}
	return schemas.Problem{Position: position, Message: "template: " + brief(message, 500)}
}

// number reads digits that a regular expression found; 0 if there are too many.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
