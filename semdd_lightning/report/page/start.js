setUpForm();
refresh();
