"""Hooks of the documentation site: pages made from the code, and links that fit the site."""

import command_pages
import notebook_pages
import repository_links
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the commands' pages into the navigation."""
    reference = next(part["Reference"] for part in config.nav if "Reference" in part)
    commands = next(part for part in reference if "Commands" in part)
    commands["Commands"] = command_pages.navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that no file of docs/ holds."""
    pages = {**command_pages.pages(), **notebook_pages.pages(), **repository_links.pages()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository become links to pages of the site."""
    return repository_links.on_site(markdown, page.file.src_uri)
