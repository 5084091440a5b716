#include "app/completion.h"

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "base/assert.h"

namespace fairlead {
namespace {

// Options whose value is a file or a directory.
constexpr std::string_view kFileOptions =
    "--data-dir|--config|--file|--secret-file|--password-file|--ca|--cert|--devices";

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

void collect(const CLI::App& app, const std::string& path,
             const std::vector<std::string>& inherited, std::vector<CompletionWords>& out) {
  CompletionWords words{path, {}, inherited};
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.options.push_back("--" + name);
  }
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : commands) words.commands.push_back(command->get_name());
  const std::size_t at = out.size();
  out.push_back(std::move(words));
  const std::vector<std::string> options = path.empty() ? out[at].options : inherited;
  for (const CLI::App* command : commands) {
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
            options, out);
  }
}

// The lines of a POSIX `case` on the words before the cursor: which of them are commands, and what
// can follow. Bash and zsh read the same.
std::string path_cases(const std::vector<CompletionWords>& words) {
  std::string paths;
  for (const CompletionWords& command : words) {
    if (command.path.empty()) continue;
    if (!paths.empty()) paths += "|";
    paths += "'" + command.path + "'";
  }
  return paths;
}

std::string word_cases(const std::vector<CompletionWords>& words) {
  std::string cases;
  for (const CompletionWords& command : words) {
    cases += "    '" + command.path + "') words='" + joined(command.commands) +
             (command.commands.empty() ? "" : " ") + joined(command.options) + "' ;;\n";
  }
  return cases;
}

std::string bash_script(const std::vector<CompletionWords>& words) {
  return "# fairlead completion bash > /etc/bash_completion.d/fairlead\n"
         "_fairlead() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local path= next words= i\n"
         "  COMPREPLY=()\n"
         "  case $previous in\n"
         "    " +
         std::string(kFileOptions) +
         ") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
         "  esac\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    next=\"${path:+$path }${COMP_WORDS[i]}\"\n"
         "    case $next in\n      " +
         path_cases(words) +
         ") path=$next ;;\n    esac\n"
         "  done\n"
         "  case $path in\n" +
         word_cases(words) +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -F _fairlead fairlead\n";
}

std::string zsh_script(const std::vector<CompletionWords>& words) {
  return "#compdef fairlead\n"
         "# fairlead completion zsh > /usr/local/share/zsh/site-functions/_fairlead\n"
         "_fairlead() {\n"
         "  local path_= next candidates i\n"
         "  case ${words[CURRENT-1]} in\n"
         "    " +
         std::string(kFileOptions) +
         ") _files; return ;;\n"
         "  esac\n"
         "  for ((i = 2; i < CURRENT; i++)); do\n"
         "    next=\"${path_:+$path_ }${words[i]}\"\n"
         "    case $next in\n      " +
         path_cases(words) +
         ") path_=$next ;;\n    esac\n"
         "  done\n"
         "  case $path_ in\n" +
         [&] {
           std::string cases = word_cases(words);
           for (std::size_t at = 0; (at = cases.find("words='", at)) != std::string::npos;
                at += 12) {
             cases.replace(at, 5, "candidates");
           }
           return cases;
         }() +
         "  esac\n"
         "  compadd -- ${=candidates}\n"
         "}\n"
         "compdef _fairlead fairlead\n";
}

std::string fish_script(const std::vector<CompletionWords>& words) {
  std::string known;
  for (const CompletionWords& command : words) {
    if (!command.path.empty()) known += " '" + command.path + "'";
  }
  std::string script =
      "# fairlead completion fish > ~/.config/fish/completions/fairlead.fish\n"
      "function __fairlead_at\n"
      "  set -l path ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    set -l next (string trim -- \"$path $word\")\n"
      "    contains -- $next" +
      known +
      "; and set path $next\n"
      "  end\n"
      "  test \"$path\" = \"$argv[1]\"\n"
      "end\n"
      "complete -c fairlead -f\n";
  for (const CompletionWords& command : words) {
    const std::string condition =
        "complete -c fairlead -n \"__fairlead_at '" + command.path + "'\"";
    if (!command.commands.empty()) {
      script += condition + " -a '" + joined(command.commands) + "'\n";
    }
    for (const std::string& option : command.options) {
      const bool file =
          ("|" + std::string(kFileOptions) + "|").find("|" + option + "|") != std::string::npos;
      script += condition + " -l " + option.substr(2) + (file ? " -r -F" : "") + "\n";
    }
  }
  return script;
}

}  // namespace

std::vector<CompletionWords> completion_words(const CLI::App& app) {
  std::vector<CompletionWords> words;
  collect(app, "", {}, words);
  return words;
}

std::string completion_script(Shell shell, const std::vector<CompletionWords>& words) {
  switch (shell) {
    case Shell::kBash:
      return bash_script(words);
    case Shell::kZsh:
      return zsh_script(words);
    case Shell::kFish:
      return fish_script(words);
  }
  unreachable();
}

void add_completion_command(CLI::App& app, CommandContext& context) {
  CLI::App* group = app.add_subcommand("completion", "Print a script that completes commands");
  group->require_subcommand(1);
  struct Known {
    const char* name;
    const char* description;
    Shell shell;
  };
  for (const Known& known :
       {Known{"bash", "For bash: source <(fairlead completion bash)", Shell::kBash},
        Known{"zsh", "For zsh: source <(fairlead completion zsh)", Shell::kZsh},
        Known{"fish", "For fish: fairlead completion fish | source", Shell::kFish}}) {
    CLI::App* command = group->add_subcommand(known.name, known.description);
    command->callback([&app, &context, shell = known.shell] {
      const std::string script = completion_script(shell, completion_words(app));
      std::fwrite(script.data(), 1, script.size(), stdout);
      context.exit_code = ExitCode::kOk;
    });
  }
}

}  // namespace fairlead
