package renderer

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// maxResultNodes bounds the lists and mappings that one function call may
// return, everything inside of them counted.
const maxResultNodes = 200_000

// pureFunctions replaces the template functions whose result depends on
// anything but their arguments by ones that say so, and holds the others to
// limits.
func pureFunctions(budget *templateBudget) template.FuncMap {
	functions := sprig.TxtFuncMap()
	maps.Copy(functions, codecFunctions())
	maps.Copy(functions, template.FuncMap{"printf": fmt.Sprintf, "print": fmt.Sprint, "println": fmt.Sprintln})
	for name, function := range functions {
		functions[name] = bounded(budget, name, function)
	}
	// Those that need the set of templates are bound to it later.
	functions["include"] = func(string, any) (string, error) { return "", nil }
	functions["tpl"] = functions["include"]
	functions["keys"] = sortedKeys
	functions["values"] = sortedValues
	functions["until"] = func(count int) ([]int, error) { return steps(0, count, sign(count)) }
	functions["untilStep"] = steps
	functions["seq"] = func(params ...int) (string, error) { return sequence(params) }
	functions["repeat"] = repeat
	functions["indent"] = indent
	functions["nindent"] = func(spaces int, text string) (string, error) {
		indented, err := indent(spaces, text)
		return "\n" + indented, err
	}
	functions[stepFunction] = budget.step
	for reason, names := range impure() {
		for _, name := range strings.Fields(names) {
			functions[name] = func(...any) (string, error) {
				return "", fmt.Errorf("%s %s; set the value in the layer's values instead", name, reason)
			}
		}
	}
	return functions
}

// impure names the functions that are refused, by the reason.
func impure() map[string]string {
	return map[string]string{
		"gives another result at each call, so that no two renderings would agree": "" +
			"randAlphaNum randAlpha randAscii randNumeric randInt randBytes shuffle uuidv4 bcrypt htpasswd encryptAES",
		"makes a new key at each call, so that no two renderings would agree": "" +
			"genPrivateKey genCA genCAWithKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey",
		"reads the clock or the time zone of the machine": "" +
			"now ago date date_in_zone dateInZone date_modify dateModify must_date_modify mustDateModify " +
			"htmlDate htmlDateInZone toDate mustToDate unixEpoch",
		"reads a live cluster, which rendering has none of": "lookup",
		"reads the environment of the machine":              "env expandenv",
		"asks the network":                                  "getHostByName",
	}
}

// bounded wraps a function so that its arguments and result are charged to the
// budget, and a result above the limits fails. The panic is turned into an error
// at the function's place in the template by text/template.
func bounded(budget *templateBudget, name string, function any) any {
	f := reflect.ValueOf(function)
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	fixed := 0
	if name == "derivePassword" { // scrypt: pure, and slow by design
		fixed = maxTemplateWork / 5
	}
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		cost := fixed
		for _, arg := range args {
			cost += textLength(arg)
		}
		if _, err := budget.step(cost); err != nil {
			panic(err)
		}
		results := call(args)
		if len(results) == 0 {
			return results
		}
		nodes := maxResultNodes
		if !weigh(results[0], &nodes, 0) {
			panic(errTooMuchWork)
		}
		if _, err := budget.step(textLength(results[0]) + 16*(maxResultNodes-nodes)); err != nil {
			panic(err)
		}
		return results
	}).Interface()
}

// textLength is the length of a text, also behind an interface; 0 for anything
// else.
func textLength(v reflect.Value) int {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		return v.Len()
	}
	return 0
}

// weigh takes the size of a value off the budget and says whether that
// sufficed.
func weigh(v reflect.Value, budget *int, depth int) bool {
	if *budget--; *budget < 0 || depth > 200 {
		return false
	}
	switch v.Kind() {
	case reflect.Interface:
		return weigh(v.Elem(), budget, depth)
	case reflect.String:
		return v.Len() <= 4*maxTemplateText
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Len() <= 4*maxTemplateText
		}
		for i := range v.Len() {
			if !weigh(v.Index(i), budget, depth+1) {
				return false
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if !weigh(it.Value(), budget, depth+1) {
				return false
			}
		}
	}
	return true
}

// sortedKeys is keys with a fixed order.
func sortedKeys(dicts ...map[string]any) []string {
	var keys []string
	for _, dict := range dicts {
		keys = slices.AppendSeq(keys, maps.Keys(dict))
	}
	slices.Sort(keys)
	return keys
}

// sortedValues is values in the order of keys.
func sortedValues(dict map[string]any) []any {
	values := make([]any, 0, len(dict))
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		values = append(values, dict[key])
	}
	return values
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// steps is untilStep: start, start+step, … up to but without stop.
func steps(start, stop, step int) ([]int, error) {
	result := []int{}
	if step == 0 || (stop > start) != (step > 0) {
		return result, nil
	}
	for i := start; (step > 0 && i < stop) || (step < 0 && i > stop); i += step {
		if len(result) == maxTemplateList {
			return nil, fmt.Errorf("a list of more than %d numbers is asked for", maxTemplateList)
		}
		result = append(result, i)
	}
	return result, nil
}

// sequence is seq, which takes [start, [step]] end like the Unix program and
// includes the end.
func sequence(params []int) (string, error) {
	start, step, end := 1, 1, 0
	switch len(params) {
	case 1:
		end = params[0]
		step = sign(end - start)
	case 2:
		start, end = params[0], params[1]
		step = sign(end - start)
	case 3:
		start, step, end = params[0], params[1], params[2]
	default:
		return "", nil
	}
	numbers, err := steps(start, end+sign(step), step)
	if err != nil {
		return "", err
	}
	return strings.Trim(fmt.Sprint(numbers), "[]"), nil
}

func repeat(count int, text string) (string, error) {
	if count < 0 || count > maxTemplateText || count*len(text) > maxTemplateText {
		return "", fmt.Errorf("a text longer than %d bytes is asked for", maxTemplateText)
	}
	return strings.Repeat(text, count), nil
}

func indent(spaces int, text string) (string, error) {
	if spaces < 0 || spaces > 1000 {
		return "", errors.New("an indentation outside of 0 to 1000 is asked for")
	}
	pad := strings.Repeat(" ", spaces)
	if indented := len(text) + spaces*(strings.Count(text, "\n")+1); indented > 4*maxTemplateText {
		return "", errTooMuchWork
	}
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad), nil
}
