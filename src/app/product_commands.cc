#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/output.h"

namespace fairlead {
namespace {

struct CreateProduct {
  std::string key;
  std::string name;
  std::string profile = "compatible";
  std::string transport = "any";
  bool require_tls = false;
  std::vector<std::string> topic_classes;
};

struct DeleteProduct {
  std::string key;
  bool with_devices = false;
};

// "pub:/${productKey}/${deviceName}/user/x"
Result<TopicClass> parse_topic_class(const std::string& text) {
  const std::string kind = text.substr(0, text.find(':'));
  for (auto permission :
       {TopicPermission::kPublish, TopicPermission::kSubscribe, TopicPermission::kAll}) {
    if (kind == topic_permission_name(permission) && kind.size() < text.size()) {
      return TopicClass{text.substr(kind.size() + 1), permission};
    }
  }
  return Reject{ReasonCode::kTopicFilterInvalid,
                "\"" + text + "\" is no topic class: it must begin with pub:, sub: or all:"};
}

Record record_of(const Product& product, uint64_t device_count) {
  std::vector<std::string> classes;
  for (const TopicClass& topic :
       product.topic_classes.empty() ? default_topic_classes() : product.topic_classes) {
    classes.push_back(std::string(topic_permission_name(topic.permission)) + ":" + topic.pattern);
  }
  return {{"productKey", product.key},
          {"name", product.name},
          {"profile", std::string(profile_name(product.profile))},
          {"transport", std::string(transport_rule_name(product.transport))},
          {"topicClasses", std::move(classes)},
          {"devices", static_cast<int64_t>(device_count)},
          {"created", format_time(product.created_ms)}};
}

Result<Product> product_of(const CreateProduct& options) {
  Product product;
  product.key = options.key.empty() ? generate_product_key() : options.key;
  product.name = options.name.empty() ? product.key : options.name;
  product.profile = parse_profile(options.profile).value_or(ProfileKind::kCompatible);
  product.secret = generate_secret();
  auto transport = parse_transport_rule(options.require_tls ? "tls" : options.transport);
  if (!transport) return transport.error();
  product.transport = *transport;
  for (const std::string& text : options.topic_classes) {
    auto topic = parse_topic_class(text);
    if (!topic) return topic.error();
    product.topic_classes.push_back(std::move(*topic));
  }
  if (Status status = check(product); !status) return status.error();
  return product;
}

// What went wrong, in the words of the registry.
ExitCode refused(const CommandContext& context, const Reject& reject) {
  return fail(context, ExitCode::kFailed, reject.sentence);
}

ExitCode unknown_product(const CommandContext& context, const std::string& key) {
  return fail(context, ExitCode::kNotFound, "there is no product \"" + key + "\"",
              "See: fairlead product list");
}

// The product as it is now, with the number of its devices.
ExitCode show_product(const CommandContext& context, Database& database, const std::string& key) {
  auto product = database.product(key);
  if (!product) return refused(context, product.error());
  if (!*product) return unknown_product(context, key);
  auto count = database.device_count(key);
  if (!count) return refused(context, count.error());
  print_record(context, record_of(**product, *count));
  return ExitCode::kOk;
}

ExitCode create_product(CommandContext& context, Database& database, const CreateProduct& options) {
  auto product = product_of(options);
  if (!product) return fail(context, ExitCode::kUsage, product.error().sentence);
  if (Status status = database.create_product(*product); !status) {
    return refused(context, status.error());
  }
  apply_to_server(context);
  return show_product(context, database, product->key);
}

ExitCode list_products(CommandContext& context, Database& database) {
  auto products = database.products();
  if (!products) return refused(context, products.error());
  std::vector<Record> records;
  for (const Product& product : *products) {
    auto count = database.device_count(product.key);
    if (!count) return refused(context, count.error());
    records.push_back(record_of(product, *count));
    if (context.format == OutputFormat::kText) {
      std::erase_if(records.back(), [](const Field& f) { return f.name == "topicClasses"; });
    }
  }
  print_records(context, records,
                "There are no products. Create one: fairlead product create --key KEY");
  return ExitCode::kOk;
}

ExitCode delete_product(CommandContext& context, Database& database, const DeleteProduct& options) {
  auto product = database.product(options.key);
  if (!product) return refused(context, product.error());
  if (!*product) return unknown_product(context, options.key);
  const auto with = options.with_devices ? WithDevices::kDelete : WithDevices::kRefuse;
  if (Status status = database.delete_product(options.key, with); !status) {
    return fail(context, ExitCode::kFailed, status.error().sentence,
                options.with_devices ? "" : "To delete them with it: --with-devices");
  }
  apply_to_server(context);
  return ExitCode::kOk;
}

void add_create(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<CreateProduct>();
  CLI::App* command = parent.add_subcommand("create", "Create a product and show it");
  command->add_option("--key", options->key, "Product key (default: one is generated)");
  command->add_option("--name", options->name, "A name for people (default: the key)");
  command
      ->add_option("--profile", options->profile,
                   "compatible: the rules of the platform that devices come from; standard: "
                   "plain MQTT")
      ->check(CLI::IsMember({"compatible", "standard"}))
      ->capture_default_str();
  command
      ->add_option("--topic-class", options->topic_classes,
                   "pub:, sub: or all:, and a topic with ${productKey} and ${deviceName}; "
                   "repeat it (default: .../user/# both ways)")
      ->allow_extra_args(false);
  auto* transport = command
                        ->add_option("--transport", options->transport,
                                     "any; tls: no connections without it; securemode: as the "
                                     "device says in its client id")
                        ->check(CLI::IsMember({"any", "tls", "securemode"}))
                        ->capture_default_str();
  command->add_flag("--require-tls", options->require_tls, "The same as --transport tls")
      ->excludes(transport);
  command->footer(
      "Examples:\n"
      "  fairlead product create --key pk --name Lamps\n"
      "  fairlead product create --key pk --profile standard --require-tls \\\n"
      "    --topic-class 'pub:/${productKey}/${deviceName}/user/update' \\\n"
      "    --topic-class 'sub:/${productKey}/${deviceName}/user/get'");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = create_product(context, *database, *options);
    }
  });
}

void add_show(CLI::App& parent, CommandContext& context) {
  auto key = std::make_shared<std::string>();
  CLI::App* command = parent.add_subcommand("show", "Show a product");
  command->add_option("key,--key", *key, "Product key")->required();
  command->callback([&context, key] {
    if (auto database = open_registry(context)) {
      context.exit_code = show_product(context, *database, *key);
    }
  });
}

void add_delete(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<DeleteProduct>();
  CLI::App* command = parent.add_subcommand("delete", "Delete a product");
  command->add_option("key,--key", options->key, "Product key")->required();
  command->add_flag("--with-devices", options->with_devices,
                    "And all its devices; connected ones are closed at once");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = delete_product(context, *database, *options);
    }
  });
}

}  // namespace

void add_product_commands(CLI::App& app, CommandContext& context) {
  CLI::App* product = app.add_subcommand("product", "Products: kinds of devices and their rules");
  product->require_subcommand(1);
  add_create(*product, context);
  CLI::App* list = product->add_subcommand("list", "List all products");
  list->callback([&context] {
    if (auto database = open_registry(context)) {
      context.exit_code = list_products(context, *database);
    }
  });
  add_show(*product, context);
  add_delete(*product, context);
}

}  // namespace fairlead
