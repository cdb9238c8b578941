// Package consent shows the simulated sign-in page of Spotify and Google. On it
// the tester chooses which simulated person to be, and allows or denies an app.
//
// Scripts skip the page: person=N&allow=1 in the query (or allow=0) decides at
// once. login_hint may replace person, as a number or an e-mail address.
package consent

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// Decision is the result of the consent page.
type Decision int

// The decisions. Pending means that the response is the page.
const (
	Pending Decision = iota
	Allowed
	Denied
)

// Request describes which app requests what.
type Request struct {
	Provider string // "Spotify" or "Google"
	App      string
	Scopes   []string
}

// peopleListed is how many people the page lists. Others are entered by number.
const peopleListed = 48

// Decide reads the decision from the request, or shows the page. If the result
// is Allowed, it stores the chosen person in w.
func Decide(w *requestlog.Writer, r *http.Request, world *population.World, request Request) Decision {
	query := r.URL.Query()
	allow := query.Get("allow")
	if allow == "0" {
		return Denied
	}
	if person, ok := chosenPerson(world, query); ok && allow == "1" {
		w.Person = person
		return Allowed
	}
	page := struct {
		Request
		Hidden url.Values
		People []choice
		Last   int
	}{Request: request, Hidden: query, Last: world.People() - 1}
	for _, key := range []string{"person", "allow"} {
		query.Del(key)
	}
	for n := range min(peopleListed, world.People()) {
		p := world.Person(n)
		page.People = append(page.People, choice{n, strings.TrimSpace(p.GivenName + " " + p.FamilyName)})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = consentPage.Execute(w, page) // an error means that the browser has gone
	return Pending
}

type choice struct {
	Number int
	Name   string
}

func chosenPerson(world *population.World, query url.Values) (int, bool) {
	name := query.Get("person")
	if name == "" {
		name = query.Get("login_hint")
		if local, domain, ok := strings.Cut(name, "@"); ok && domain == "example.com" {
			name = local[strings.LastIndexByte(local, '.')+1:]
		}
	}
	n, err := strconv.Atoi(name)
	return n, err == nil && n >= 0 && n < world.People()
}

// ShowError shows an error page, as the providers do where they must not
// redirect.
func ShowError(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_ = errorPage.Execute(w, text)
}

// Redirect redirects the browser to the app with parameters in the query, or in
// the fragment for the implicit grant.
func Redirect(w http.ResponseWriter, target string, parameters url.Values, fragment bool) {
	u, err := url.Parse(target)
	if err != nil { // cannot happen: it was parsed when it was checked
		ShowError(w, "Invalid redirect URI")
		return
	}
	if fragment {
		u.Fragment = ""
		target = u.String() + "#" + parameters.Encode()
	} else {
		query := u.Query()
		for key, values := range parameters {
			query[key] = values
		}
		u.RawQuery = query.Encode()
		target = u.String()
	}
	w.Header().Set("Location", target)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

var consentPage = template.Must(template.New("consent").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Provider}} (simulated)</title>
<style>body{font:16px system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}fieldset{border:0;padding:0;columns:2}
label{display:block;padding:.2rem 0}button{font:inherit;padding:.6rem 1.4rem;margin-right:.6rem}</style>
<h1>{{.Provider}} <small>(simulated)</small></h1>
<p><b>{{.App}}</b> asks for: {{range .Scopes}}<code>{{.}}</code> {{else}}nothing in particular{{end}}</p>
<form method="get">
{{range $key, $values := .Hidden}}{{range $values}}<input type="hidden" name="{{$key}}" value="{{.}}">{{end}}{{end}}
<p>Who are you?</p>
<fieldset>{{range .People}}<label><input type="radio" name="person" value="{{.Number}}"{{if eq .Number 0}} checked{{end}}> {{.Name}} · {{.Number}}</label>{{end}}</fieldset>
<p><small>There are people 0 to {{.Last}}; add <code>&amp;person=N&amp;allow=1</code> to the address to be any of them.</small></p>
<p><button name="allow" value="1">Allow</button><button name="allow" value="0">Deny</button></p>
</form></html>
`))

var errorPage = template.Must(template.New("fail").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Error</title><body>{{.}}</body></html>
`))
